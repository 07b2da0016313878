//! One call of somebody, known or not: whose namespace it is about, and what they may do there.

use std::{borrow::Cow, sync::Arc};

use super::{endpoint::Need, error::Failure};
use crate::{
    api::common::{Call, House, identity},
    domain::{Actor, OwnerId, event::Role, user_stream::ANONYMOUS},
    security::{Denied, Grant, Principal, ThrottleKey, grant},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    pub(super) house: &'a Arc<House>,
    pub(super) call: &'a Call,
    pub(super) speaker: Speaker,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Speaker {
    Known(Principal),
    /// Nobody in particular: what they may is configured, in a namespace of their own.
    Anonymous,
}

impl Speaker {
    /// Whether their credential is good still: it may be revoked or run out while they wait.
    pub(super) fn may_go_on(&self, house: &House) -> bool {
        let Self::Known(Principal::Key { key, .. }) = self else { return true };
        house.relay.world().key(*key).is_some_and(|key| key.is_valid(house.relay.now()))
    }
}

impl<'a> Caller<'a> {
    /// Recognises the caller. A credential that is none is refused also where nobody needs one: its owner would write
    /// to another namespace than they think.
    pub(super) fn of(house: &'a Arc<House>, call: &'a Call) -> Result<Self, Failure> {
        let speaker = match house.identify(call) {
            Ok(principal) => Speaker::Known(principal),
            Err(identity::Unknown::Missing) if !house.settings.streams_anonymous.is_empty() => Speaker::Anonymous,
            Err(unknown) => return Err(unknown.into()),
        };
        Ok(Self { house, call, speaker })
    }

    /// Whether the endpoint is theirs to ask, before anything is looked up.
    pub(super) fn check(&self, need: Need) -> Result<(), Failure> {
        match need {
            Need::Nothing | Need::Subscriptions => Ok(()),
            Need::Own(grant) => self.holds(grant),
            Need::Session(grant, session) => match &self.speaker {
                Speaker::Known(principal) => Ok(self.house.may(principal, grant, session)?),
                Speaker::Anonymous => Err(identity::Unknown::Missing.into()),
            },
        }
    }

    /// Whether they have this grant in their own namespace.
    pub(super) fn holds(&self, grant: Grant) -> Result<(), Failure> {
        match &self.speaker {
            Speaker::Known(principal) => Ok(grant::holds(principal, grant)?),
            Speaker::Anonymous if self.house.settings.streams_anonymous.include(grant) => Ok(()),
            // With a credential it might be possible.
            Speaker::Anonymous => Err(identity::Unknown::Missing.into()),
        }
    }

    /// Whether they may read sessions of their namespace.
    pub(super) fn may_read_sessions(&self) -> bool {
        matches!(&self.speaker, Speaker::Known(principal) if grant::holds(principal, Grant::SessionRead).is_ok())
    }

    /// Whose streams the call is about: the caller's own. An admin may name another owner, or `anonymous`, with
    /// `?namespace=`.
    pub(super) fn namespace(&self) -> Result<OwnerId, Failure> {
        let own = match &self.speaker {
            Speaker::Anonymous => ANONYMOUS,
            Speaker::Known(principal) => principal.owner().ok_or(Denied::Foreign)?,
        };
        let Some(named) = self.call.query.as_deref().and_then(|_| self.call.query("namespace")) else { return Ok(own) };
        let named = match named {
            Cow::Borrowed("anonymous") => ANONYMOUS,
            text => text.parse().map_err(|_| Failure::bad("namespace", "must be an owner's id, or anonymous"))?,
        };
        let is_admin = matches!(&self.speaker, Speaker::Known(Principal::Key { role: Role::Admin, .. }));
        if named == own || is_admin { Ok(named) } else { Err(Denied::Foreign.into()) }
    }

    pub(super) const fn actor(&self) -> Actor {
        match &self.speaker {
            Speaker::Known(principal) => principal.actor(),
            Speaker::Anonymous => Actor::Anonymous,
        }
    }

    pub(super) fn throttle_key(&self) -> ThrottleKey {
        match &self.speaker {
            Speaker::Known(principal) => principal.throttle_key(),
            Speaker::Anonymous => identity::address(self.call),
        }
    }

    pub(super) const fn is_anonymous(&self) -> bool {
        matches!(self.speaker, Speaker::Anonymous)
    }
}
