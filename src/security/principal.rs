//! Who speaks: what a verified credential turned into.
//!
//! A principal says what it is, not what it may; that is [`grant`](super::grant)'s table.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use crate::domain::{Actor, DeviceId, EnvironmentId, KeyId, OwnerId, SessionId, event::Role};

/// Somebody whose credential was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An API key: a person, a script, a bridge.
    /// With `device`, somebody in a browser who acts for it.
    Key { key: KeyId, owner: OwnerId, role: Role, name: Arc<str>, device: Option<DeviceId> },
    /// The worker of one session. The epoch is known when its token names one (a worker token does, a session's ingress
    /// token does not).
    Worker { session: SessionId, epoch: Option<u64> },
    /// A runner with its environment secret.
    Environment(EnvironmentId),
}

/// Whose things a list may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Everything,
    OwnedBy(OwnerId),
    Nothing,
}

impl Scope {
    /// Whether something of this owner belongs on the list.
    pub fn includes(self, owner: OwnerId) -> bool {
        match self {
            Self::Everything => true,
            Self::OwnedBy(own) => own == owner,
            Self::Nothing => false,
        }
    }
}

impl Principal {
    /// As whom the journal remembers it.
    pub const fn actor(&self) -> Actor {
        match self {
            Self::Key { device: Some(device), .. } => Actor::Device(*device),
            Self::Key { key, .. } => Actor::Key(*key),
            Self::Worker { session, .. } => Actor::Worker(*session),
            Self::Environment(environment) => Actor::Environment(*environment),
        }
    }

    /// Who owns what it makes. Workers and runners own nothing.
    pub const fn owner(&self) -> Option<OwnerId> {
        match self {
            Self::Key { owner, .. } => Some(*owner),
            Self::Worker { .. } | Self::Environment(_) => None,
        }
    }

    /// Whose things its lists show.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Key { role: Role::Admin, .. } => Scope::Everything,
            Self::Key { owner, .. } => Scope::OwnedBy(*owner),
            Self::Worker { .. } | Self::Environment(_) => Scope::Nothing,
        }
    }

    /// Under which name its requests are counted.
    pub const fn throttle_key(&self) -> ThrottleKey {
        match self {
            Self::Key { key, .. } => ThrottleKey::Key(*key),
            Self::Worker { session, .. } => ThrottleKey::Session(*session),
            Self::Environment(environment) => ThrottleKey::Environment(*environment),
        }
    }
}

/// Under which name requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThrottleKey {
    /// Before authentication. Made by [`ThrottleKey::address`].
    Address(IpAddr),
    /// All addresses together that came when the table of addresses was full.
    Crowd,
    Key(KeyId),
    Session(SessionId),
    Environment(EnvironmentId),
}

impl ThrottleKey {
    /// An address before authentication. An IPv6 customer gets a /64 and picks addresses at will, so it counts as one;
    /// an IPv4 address counts as itself also when it comes mapped into IPv6.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_kind_is_remembered_and_counted_as_itself() {
        let key = KeyId::from_uuid(Uuid::from_u128(1));
        let owner = OwnerId::from_uuid(Uuid::from_u128(2));
        let session = SessionId::from_uuid(Uuid::from_u128(3));
        let person = Principal::Key { key, owner, role: Role::Member, name: "laptop".into(), device: None };
        let worker = Principal::Worker { session, epoch: Some(1) };
        assert_eq!((person.actor(), person.owner()), (Actor::Key(key), Some(owner)));
        assert_eq!((worker.actor(), worker.owner()), (Actor::Worker(session), None));
        assert!(person.scope().includes(owner));
        assert!(!person.scope().includes(OwnerId::from_uuid(Uuid::from_u128(9))));
        assert!(!worker.scope().includes(owner));
        assert_eq!(worker.throttle_key(), ThrottleKey::Session(session));
    }

    #[test]
    fn one_customer_is_one_address() {
        let key = |text: &str| ThrottleKey::address(text.parse().expect("address"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.2"), key("192.0.2.1"));
    }
}
