//! Who is asking: from a bearer token to a principal, and from a principal to a yes or no.

use super::{call::Call, house::House};
use crate::{
    domain::{DedupeKey, DeviceId, KeyId, MessageId, OwnerId, SessionId, key::Key},
    security::{
        self, Denied, Grant, KeyView, Principal, RetryAfter,
        api_key::Rejected,
        dedupe_key,
        digest::secret_digest,
        principal::ThrottleKey,
        throttle::ThrottleKind,
        token::{TokenError, TokenKind, verify_environment, verify_session, verify_worker},
    },
};

/// Why nobody was recognised: 401, whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("no credential: send `Authorization: Bearer <API key>`")]
    Missing,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Key(#[from] Rejected),
    /// A browser that was signed out, or not used for long.
    #[error("you are not signed in here any more: sign in again")]
    SignedOut,
    /// The server signed this token, and nobody answers for what it opens any more.
    #[error("the last API key of this token's owner was revoked or ran out: register again with one that is valid")]
    Orphaned,
    /// Too many bad credentials came from this address: 429.
    #[error(transparent)]
    Throttled(#[from] RetryAfter),
}

impl House {
    /// The principal behind the call's bearer token: an API key, a worker's token or an environment secret, told apart
    /// by their form. Bad credentials are counted by address.
    pub fn identify(&self, call: &Call) -> Result<Principal, Unknown> {
        let token = call.bearer().or_else(|| call.header("x-api-key")).ok_or(Unknown::Missing)?;
        self.identify_token(token).or_else(|unknown| {
            self.throttle.check(ThrottleKind::Login, address(call))?;
            Err(unknown)
        })
    }

    /// As [`identify`](Self::identify), for a token that came another way and is counted by the caller.
    pub fn identify_token(&self, token: &str) -> Result<Principal, Unknown> {
        let now = self.relay.now();
        Ok(match TokenKind::of(token) {
            TokenKind::Worker => {
                let claims = verify_worker(&self.signing, token, now)?;
                self.answered_for(self.owner_of(claims.session))?;
                Principal::Worker { session: claims.session, epoch: Some(claims.epoch) }
            }
            TokenKind::Session => {
                let session = verify_session(&self.signing, token)?;
                self.answered_for(self.owner_of(session))?;
                Principal::Worker { session, epoch: None }
            }
            TokenKind::Environment => {
                let environment = verify_environment(&self.signing, token)?;
                let owner = self.relay.world().environment(environment).map(|found| found.particulars.owner);
                self.answered_for(owner)?;
                Principal::Environment(environment)
            }
            // They open one wake, or answer one question, and say nothing about who shows them.
            kind @ (TokenKind::Wake | TokenKind::Answer) => return Err(TokenError::Invalid(kind).into()),
            TokenKind::ApiKey => {
                let digest = secret_digest(token);
                let world = self.relay.world();
                security::authenticate(world.key_by_digest(&digest).map(view).as_ref(), now)?
            }
        })
    }

    /// The principal behind a browser's cookie: the key that it acts for, seen through the device.
    pub fn identify_device(&self, secret: &str) -> Result<Principal, Unknown> {
        let (now, world) = (self.relay.now(), self.relay.world());
        let found = world.devices().by_digest(&secret_digest(secret)).filter(|device| device.is_valid(now));
        let signed_in = &found.ok_or(Unknown::SignedOut)?.signed_in;
        let mut principal = security::authenticate(world.key(signed_in.key).map(view).as_ref(), now)?;
        if let Principal::Key { device, .. } = &mut principal {
            *device = Some(signed_in.device);
        }
        Ok(principal)
    }

    /// The principal that a key is, seen through this browser if it is one. Who shows neither is known some other way:
    /// by something that the server signed for them.
    pub fn stand_in(&self, key: KeyId, through: Option<DeviceId>) -> Result<Principal, Unknown> {
        if !self.is_valid(key, through) {
            return Err(Unknown::SignedOut);
        }
        let world = self.relay.world();
        let mut principal = security::authenticate(world.key(key).map(view).as_ref(), self.relay.now())?;
        if let Principal::Key { device, .. } = &mut principal {
            *device = through;
        }
        Ok(principal)
    }

    /// Whether a principal with streams open is still one: a key can be revoked or run out, a browser signed out.
    pub fn is_valid(&self, key: KeyId, device: Option<DeviceId>) -> bool {
        let (now, world) = (self.relay.now(), self.relay.world());
        world.key(key).is_some_and(|key| key.is_valid(now))
            && device.is_none_or(|device| world.devices().get(device).is_some_and(|found| found.is_valid(now)))
    }

    /// Signed tokens are good as long as a key of their owner's is: taking away somebody's last key ends their runners
    /// and workers too. What has no owner is not there, which is told further on.
    fn answered_for(&self, owner: Option<OwnerId>) -> Result<(), Unknown> {
        let world = self.relay.world();
        match owner {
            Some(owner) if !world.has_valid_key(owner, self.relay.now()) => Err(Unknown::Orphaned),
            _ => Ok(()),
        }
    }

    /// Whether somebody answers for this session still: asked now and then of connections that stay open.
    pub fn is_answered_for(&self, session: SessionId) -> bool {
        self.answered_for(self.owner_of(session)).is_ok()
    }

    /// Whether the principal may do this to a session. A session that is not theirs is reported as one that is not
    /// there: its existence is nobody's business.
    pub fn may(&self, principal: &Principal, grant: Grant, session: SessionId) -> Result<(), Denied> {
        security::may(principal, grant, self.owner_of(session))
    }

    /// Whether the principal may be the agent's side of a session.
    pub fn may_run(&self, principal: &Principal, session: SessionId) -> Result<(), Denied> {
        security::may_run_session(principal, session, self.owner_of(session))
    }

    /// Who owns a session; `None` if there is none.
    pub fn owner_of(&self, session: SessionId) -> Option<OwnerId> {
        self.relay.world().session(session).map(|found| found.owner)
    }
}

/// The name under which a call is counted before anybody is recognised.
pub fn address(call: &Call) -> ThrottleKey {
    call.peer.map_or(ThrottleKey::Crowd, ThrottleKey::address)
}

/// What makes a message unique in its session, whoever shows it: the prompt when it is posted, the worker when it
/// echoes it. All rooms must agree on this, or an echo would be kept as another message.
pub fn message_key(message: MessageId) -> DedupeKey {
    dedupe_key("message", message.uuid().as_hyphenated().to_string().as_bytes())
}

fn view(key: &Key) -> KeyView<'_> {
    KeyView {
        key: key.created.key,
        owner: key.created.owner,
        role: key.created.role,
        name: &key.created.name,
        expires_at: key.created.expires_at,
        revoked: key.revoked_at.is_some(),
    }
}
