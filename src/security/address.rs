//! From which address a request came, when proxies stand in between.
//!
//! Anybody can write `X-Forwarded-For`. It is believed only as far as it was written by proxies that the operator
//! named: from the right, hop by hop, up to the first address that is none of them.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::domain::limits::{FORWARDED_HOPS_MAX, TRUSTED_PROXIES_MAX};

/// A block of addresses: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix_bits: u8,
}

/// Why a text is not a list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    #[error("{0:?} is neither an IP address nor a network like 10.0.0.0/8")]
    Form(String),
    #[error("at most {TRUSTED_PROXIES_MAX} networks")]
    TooMany,
}

impl Network {
    /// Whether the address lies in it. Mapped IPv4 addresses are IPv4 addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(self.prefix_bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(self.prefix_bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork::Form(text.chars().take(64).collect());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let base: IpAddr = address.parse().map_err(|_| invalid())?;
        let all = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.map_or(Ok(all), str::parse).map_err(|_| invalid())?;
        if prefix_bits > all {
            return Err(invalid());
        }
        Ok(Self { base, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.base.is_ipv4() { 32 } else { 128 };
        if self.prefix_bits == all { self.base.fmt(f) } else { write!(f, "{}/{}", self.base, self.prefix_bits) }
    }
}

/// The proxies whose word on where a request came from is believed. By default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Whether this is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address that the request came from. `forwarded_for` are the values of `X-Forwarded-For`, in the order in
    /// which they stand in the request; each may list several hops.
    pub fn client<'a>(&self, peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops = forwarded_for.rev().flat_map(|value| value.rsplit(','));
        for hop in hops.take(FORWARDED_HOPS_MAX) {
            if !self.contains(client) {
                return client;
            }
            // What a trusted proxy wrote and we cannot read: the proxy itself is the last thing we know.
            let Some(next) = parse_hop(hop.trim()) else { return client };
            client = next;
        }
        client
    }

    /// The networks, as configured.
    pub fn networks(&self) -> &[Network] {
        &self.0
    }
}

/// Some proxies add the port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().or_else(|_| hop.parse().map(|socket: std::net::SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

impl FromStr for TrustedProxies {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let networks = parts.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if networks.len() > TRUSTED_PROXIES_MAX { Err(InvalidNetwork::TooMany) } else { Ok(Self(networks)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let proxies: TrustedProxies = trusted.parse().expect("networks");
        proxies.client(peer.parse().expect("address"), forwarded.iter().copied()).to_string()
    }

    #[test]
    fn a_network_knows_its_own() {
        let network = |text: &str| text.parse::<Network>().expect("network");
        let address = |text: &str| text.parse().expect("address");
        assert!(network("10.0.0.0/8").contains(address("10.255.0.1")));
        assert!(!network("10.0.0.0/8").contains(address("11.0.0.1")));
        assert!(network("0.0.0.0/0").contains(address("192.0.2.1")));
        assert!(!network("0.0.0.0/0").contains(address("2001:db8::1")));
        assert!(network("127.0.0.1").contains(address("::ffff:127.0.0.1")));
        assert!(network("2001:db8::/32").contains(address("2001:db8:1::1")));
        assert_eq!(network("10.0.0.0/8").to_string(), "10.0.0.0/8");
        for text in ["", "10.0.0.0/33", "localhost", "10.0.0.0/", "::/129"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_header_is_believed_only_from_a_trusted_proxy() {
        assert_eq!(client("", "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn what_a_client_wrote_itself_is_not_believed() {
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["1.2.3.4, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["1.2.3.4", "203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["10.0.0.7, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[]), "10.0.0.1");
    }
}
