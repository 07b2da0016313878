//! Who is asking: from a bearer token to a principal, and from a principal to a yes or no.

use super::{call::Call, house::House};
use crate::{
    domain::{OwnerId, SessionId},
    security::{self, Denied, Grant, Principal, Rejected, RetryAfter, throttle::Gate},
};

impl House {
    /// The principal behind the call's bearer token: an API key, a worker's token or an environment secret, told apart
    /// by their form.
    pub fn identify(&self, call: &Call) -> Result<Principal, Rejected> {
        let token = call.bearer().or_else(|| call.header("x-api-key")).ok_or(Rejected::Missing)?;
        self.identify_token(token)
    }

    /// As [`identify`](Self::identify), for a token that came another way.
    pub fn identify_token(&self, token: &str) -> Result<Principal, Rejected> {
        let now = self.relay.now();
        if let Some(claims) = security::token::recognise(&self.signing, token, now)? {
            return Ok(claims);
        }
        let world = self.relay.world();
        security::api_key::authenticate(world.key_by_digest(&security::digest(token.as_bytes())), now)
    }

    /// Whether the principal may do this to a session. A session that is not theirs is reported as one that is not
    /// there: its existence is nobody's business.
    pub fn may(&self, principal: &Principal, grant: Grant, session: SessionId) -> Result<(), Denied> {
        let owner = self.relay.world().session(session).map(|found| found.owner);
        self.may_owned(principal, grant, owner)
    }

    /// Whether the principal may do this to something of this owner; `None` for something that is not there.
    pub fn may_owned(&self, principal: &Principal, grant: Grant, owner: Option<OwnerId>) -> Result<(), Denied> {
        security::may(principal, grant, owner)
    }

    /// Whether the caller has anything left at this gate.
    pub fn admit(&self, gate: Gate, principal: Option<&Principal>, call: &Call) -> Result<(), RetryAfter> {
        let key = match principal {
            Some(principal) => principal.throttle_key(),
            None => security::throttle::address_key(call.peer),
        };
        self.throttle.check(gate, key)
    }
}
