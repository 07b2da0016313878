//! Where the server may be sent by somebody else's URL: out into the world, and not into the network that it stands in.
//!
//! A name means nothing: it is looked up again for each connection, and every address that it has must be public. The
//! check here is asked twice, when a URL is registered and for the address that is connected to. IPv6 is allowed by
//! what is global, because what is not has no end: addresses that carry an IPv4 address inside count as private, lest
//! a translator at the border leads back in.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::address::{InvalidNetwork, Network};
use crate::domain::limits;

/// Private networks that may be reached all the same. By default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateTargets(Vec<Network>);

impl PrivateTargets {
    /// Whether this address is private and one of those that may be reached.
    pub fn include(&self, address: IpAddr) -> bool {
        !is_public(address) && self.0.iter().any(|network| network.contains(address))
    }

    /// Whether the server may connect to this address for somebody else.
    pub fn may_reach(&self, address: IpAddr) -> bool {
        is_public(address) || self.include(address)
    }

    /// Whether none may be reached.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for PrivateTargets {
    type Err = InvalidNetwork;

    /// Networks, and `loopback` for this machine.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part.eq_ignore_ascii_case("loopback") {
                networks.extend(["127.0.0.0/8".parse::<Network>()?, "::1".parse()?]);
            } else {
                networks.push(part.parse()?);
            }
        }
        if networks.len() > limits::PRIVATE_TARGETS_MAX { Err(InvalidNetwork::TooMany) } else { Ok(Self(networks)) }
    }
}

impl fmt::Display for PrivateTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(if shown.is_empty() { "(none)" } else { "" })?;
        f.write_str(&shown.join(","))
    }
}

/// Whether an address is anybody's: on the open internet, and one machine's.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// What the registry of special-purpose IPv4 addresses (RFC 6890 and its successors) sets apart.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),           // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared behind a carrier's translator
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, with the metadata services of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // the old 6to4 relay
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// What of global unicast is no machine on the open internet.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, which carries an IPv4 address
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |base: Ipv4Addr, bits: u32| (base.to_bits() ^ address.to_bits()).leading_zeros() >= bits;
    !SPECIAL_V4.iter().any(|(base, bits)| within(*base, *bits))
}

/// Global unicast is `2000::/3`; everything else is loopback, local, multicast, mapped, translated or unassigned.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |base: Ipv6Addr, bits: u32| (base.to_bits() ^ address.to_bits()).leading_zeros() >= bits;
    within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3) && !SPECIAL_V6.iter().any(|(base, bits)| within(*base, *bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_reach(allowed: &str, address: &str) -> bool {
        let allowed: PrivateTargets = allowed.parse().expect("networks");
        allowed.may_reach(address.parse().expect("an address"))
    }

    #[test]
    fn the_network_that_the_server_stands_in_is_out_of_reach() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!may_reach("", address), "{address}");
        }
    }

    #[test]
    fn the_world_is_in_reach() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(may_reach("", address), "{address}");
        }
    }

    #[test]
    fn what_the_operator_names_is_in_reach_and_nothing_else() {
        assert!(may_reach("loopback", "127.0.0.1"));
        assert!(may_reach("loopback", "::1"));
        assert!(may_reach("loopback", "::ffff:127.0.0.1"), "the same machine in another spelling");
        assert!(!may_reach("loopback", "10.0.0.1"));
        assert!(!may_reach("loopback", "0.0.0.0"));
        assert!(may_reach("10.1.0.0/16, fd00::/8", "10.1.2.3"));
        assert!(may_reach("10.1.0.0/16, fd00::/8", "fd00::7"));
        assert!(!may_reach("10.1.0.0/16, fd00::/8", "10.2.0.1"));
        assert!(may_reach("10.1.0.0/16", "8.8.8.8"));
        assert!("10.0.0.0/40".parse::<PrivateTargets>().is_err());
        assert_eq!("loopback".parse::<PrivateTargets>().expect("a word").to_string(), "127.0.0.0/8,::1");
        assert_eq!(PrivateTargets::default().to_string(), "(none)");
    }
}
