//! One call of somebody who is known: what every handler asks of it.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::error::Failure;
use crate::{
    api::common::{BadRequest, Call, House, json::depth},
    domain::{Command, Outcome, OwnerId, limits},
    relay::{Idempotency, RelayError},
    security::{Denied, Grant, Principal, ThrottleKey, dedupe_key, fingerprint, grant, throttle::ThrottleKind},
    wire::web::{IDEMPOTENCY_KEY, ProblemKind},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    pub(super) house: &'a Arc<House>,
    pub(super) call: &'a Call,
    pub(super) principal: Principal,
}

impl Caller<'_> {
    /// Who owns what the caller makes. Only keys hold grants, and keys have owners.
    pub(super) fn owner(&self) -> Result<OwnerId, Failure> {
        self.principal.owner().ok_or_else(|| Failure::new(ProblemKind::Forbidden, "use an API key for this"))
    }

    /// Whether the caller may do this with something of this owner.
    pub(super) fn may(&self, grant: Grant, owner: Option<OwnerId>) -> Result<(), Denied> {
        grant::may(&self.principal, grant, owner)
    }

    /// Whether the caller has this grant at all.
    pub(super) fn holds(&self, grant: Grant) -> Result<(), Denied> {
        grant::holds(&self.principal, grant)
    }

    /// Counts one against a throttle of the caller.
    pub(super) fn count(&self, kind: ThrottleKind) -> Result<(), Failure> {
        Ok(self.house.throttle.check(kind, self.throttle_key())?)
    }

    pub(super) fn throttle_key(&self) -> ThrottleKey {
        self.principal.throttle_key()
    }

    /// The body as JSON. What is nested deeper than any client needs is refused before anybody parses it: parts of it
    /// are kept and sent on as they are, and would exhaust somebody else's stack.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if depth(&self.call.body) > limits::JSON_DEPTH_MAX {
            let detail = format!("the body is nested more than {} deep", limits::JSON_DEPTH_MAX);
            return Err(Failure::new(ProblemKind::BadRequest, detail));
        }
        Ok(self.call.json()?)
    }

    /// Carries a command out; with an idempotency key at most once.
    pub(super) async fn submit(&self, command: Command) -> Result<Outcome, Failure> {
        Ok(self.try_submit(command).await??)
    }

    /// As [`submit`](Self::submit), with the relay's answer for those who have more to say about a refusal.
    pub(super) async fn try_submit(&self, command: Command) -> Result<Result<Outcome, RelayError>, Failure> {
        let (relay, actor) = (&self.house.relay, self.principal.actor());
        Ok(match self.idempotency()? {
            Some(once) => relay.submit_once(actor, command, once).await,
            None => relay.submit(actor, command).await,
        })
    }

    fn idempotency(&self) -> Result<Option<Idempotency>, Failure> {
        if !self.call.headers.contains_key(IDEMPOTENCY_KEY) {
            return Ok(None);
        }
        let key = self.call.header(IDEMPOTENCY_KEY).filter(|key| !key.is_empty());
        let Some(key) = key.filter(|key| key.len() <= limits::IDEMPOTENCY_KEY_BYTES_MAX) else {
            let reason = format!("must have 1 to {} visible characters", limits::IDEMPOTENCY_KEY_BYTES_MAX);
            return Err(Failure::field("Idempotency-Key", &reason));
        };
        let call = self.call;
        let query = call.query.as_deref().unwrap_or_default();
        let parts = [call.method.as_str().as_bytes(), call.path.as_bytes(), query.as_bytes(), &call.body];
        Ok(Some(Idempotency {
            owner: self.owner()?,
            key: dedupe_key("idempotency key", key.as_bytes()),
            fingerprint: fingerprint(parts),
        }))
    }

    /// A query parameter that parses from text.
    pub(super) fn query<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, BadRequest> {
        self.call.query_as(name)
    }
}

/// A name, title or the like: printable and within its bound.
pub(super) fn plain_text(field: &str, text: &str, bytes_max: usize) -> Result<String, Failure> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Failure::field(field, "must not be empty"));
    }
    if trimmed.len() > bytes_max {
        return Err(Failure::field(field, &format!("must have at most {bytes_max} bytes")));
    }
    if trimmed.chars().any(char::is_control) {
        return Err(Failure::field(field, "must not contain control characters"));
    }
    Ok(trimmed.to_owned())
}
