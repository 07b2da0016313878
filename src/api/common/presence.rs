//! Who looks at a screen of ours at this moment: a signal, in memory and nowhere else.
//!
//! Somebody who looks, and may answer, needs no notification. A page says of its own streams whether it is looked at,
//! and comes again when that changes; a program that follows a session looks at nothing. After a restart nobody looks
//! until they have come back, which takes a page less than the grace that every question has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::house::House;
use crate::{
    domain::{OwnerId, SessionId, Timestamp, limits},
    relay::Relay,
    security::{Grant, Principal, grant::grants},
};

/// What somebody has before their eyes: all sessions, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sight {
    owner: OwnerId,
    session: Option<SessionId>,
}

#[derive(Debug, Default)]
struct Eyes {
    open: HashMap<Sight, usize>,
    /// Who looked away a moment ago; forgotten when the grace is over.
    left: HashMap<Sight, Timestamp>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    eyes: Arc<Mutex<Eyes>>,
    changed: watch::Sender<()>,
}

/// Somebody looks as long as this lives.
#[derive(Debug)]
pub struct Looking {
    presence: Presence,
    sight: Sight,
    /// For the moment at which they look away.
    relay: Relay,
}

impl Presence {
    /// Whether somebody of this owner has the session before their eyes, or had it a moment ago: then until when that
    /// counts. `None`: nobody. `Some(None)`: as long as they stay.
    pub fn sees(&self, owner: OwnerId, session: SessionId, now: Timestamp) -> Option<Option<Timestamp>> {
        let eyes = self.eyes();
        let sights = [Sight { owner, session: None }, Sight { owner, session: Some(session) }];
        if sights.iter().any(|sight| eyes.open.contains_key(sight)) {
            return Some(None);
        }
        let until = sights.iter().filter_map(|sight| eyes.left.get(sight)).max()?.plus_ms(limits::NOTIFY_GRACE_MS);
        (now < until).then_some(Some(until))
    }

    /// Changes when somebody comes or goes.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn eyes(&self) -> MutexGuard<'_, Eyes> {
        self.eyes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl House {
    /// Notes that a browser is looked at. Keys without one are programs, and a screen of somebody who may not answer
    /// keeps nobody who may from being told.
    pub fn looks(&self, principal: &Principal, session: Option<SessionId>) -> Option<Looking> {
        let Principal::Key { owner, role, device: Some(_), .. } = principal else { return None };
        if !grants(*role, Grant::PermissionDecide) {
            return None;
        }
        let presence = self.notify.presence.clone();
        let sight = Sight { owner: *owner, session };
        *presence.eyes().open.entry(sight).or_default() += 1;
        presence.changed.send_replace(());
        Some(Looking { presence, sight, relay: self.relay.clone() })
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let now = self.relay.now();
        {
            let mut eyes = self.presence.eyes();
            eyes.left.retain(|_, at| now.since_ms(*at) < limits::NOTIFY_GRACE_MS);
            let count = eyes.open.get_mut(&self.sight).map(|count| {
                *count = count.saturating_sub(1);
                *count
            });
            if count == Some(0) {
                eyes.open.remove(&self.sight);
                eyes.left.insert(self.sight, now);
            }
        }
        self.presence.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        api::common::bench,
        domain::{DeviceId, KeyId, event::Role},
    };

    fn browser(owner: u128) -> Principal {
        let (key, device) = (KeyId::from_uuid(Uuid::nil()), Some(DeviceId::from_uuid(Uuid::nil())));
        let owner = OwnerId::from_uuid(Uuid::from_u128(owner));
        Principal::Key { key, owner, role: Role::Member, name: "test".into(), device }
    }

    #[test]
    fn somebody_looks_until_a_moment_after_their_last_page_is_gone() {
        let (_directory, house) = bench::house(Relay::in_memory(), |_| {});
        let presence = &house.notify.presence;
        let owner = |n| OwnerId::from_uuid(Uuid::from_u128(n));
        let session = |n| SessionId::from_uuid(Uuid::from_u128(n));
        let now = house.relay.now();
        let sees = |whose, what| presence.sees(owner(whose), session(what), now);
        let first = house.looks(&browser(1), None).expect("a browser");
        let second = house.looks(&browser(1), None).expect("a browser");
        assert_eq!((sees(1, 7), sees(2, 7)), (Some(None), None), "of others it says nothing");
        drop(first);
        assert_eq!(sees(1, 7), Some(None));
        drop(second);
        let Some(Some(until)) = sees(1, 7) else { panic!("they may be back at once") };
        assert_eq!(presence.sees(owner(1), session(7), until), None);
        let one = house.looks(&browser(2), Some(session(7)));
        assert_eq!((sees(2, 7), sees(2, 8)), (Some(None), None), "one session is not all of them");
        drop(one);
    }

    #[test]
    fn a_screen_on_the_wall_keeps_nobody_from_being_told() {
        let (_directory, house) = bench::house(Relay::in_memory(), |_| {});
        let mut wall = browser(1);
        if let Principal::Key { role, .. } = &mut wall {
            *role = Role::Viewer;
        }
        assert!(house.looks(&wall, None).is_none());
    }

    #[test]
    fn a_program_looks_at_nothing() {
        let (_directory, house) = bench::house(Relay::in_memory(), |_| {});
        let mut program = browser(1);
        if let Principal::Key { device, .. } = &mut program {
            *device = None;
        }
        assert!(house.looks(&program, None).is_none());
    }
}
