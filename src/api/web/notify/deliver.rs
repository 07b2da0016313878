//! One notification to one target: as an encrypted push, as a signed POST, or as a message of an ntfy server.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ring::hmac;
use serde_json::json;

use super::notice::Notice;
use crate::{
    api::common::{
        House,
        notify::place_of,
        outbound::{Answer, BadTarget, Target as Address, Unsent},
    },
    domain::{
        TargetId,
        event::{Fingerprint, Verdict},
        limits,
        notify::{Target, TargetKind},
    },
    security::{
        NoRandomness, Recipient, Secret, fingerprint,
        push_encoding::{self, NotEncrypted},
        random,
        recipient::split_topic,
        token::{AnswerClaims, sign_answer},
        vault::NotOurs,
    },
    telemetry,
    wire::web::{Decision, Pushed, PushedKind, WebhookNotice},
};

/// Why a notification did not arrive. In words for the operator, and without the address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undelivered {
    /// Whoever lies there does not any more.
    #[error("the address is gone (status {0})")]
    Gone(u16),
    /// It will not be taken later either.
    #[error("it was refused (status {0})")]
    Refused(u16),
    #[error("status {status}")]
    Later { status: u16, wait_seconds: Option<u64> },
    #[error(transparent)]
    Unsent(#[from] Unsent),
    #[error("the address {0}")]
    Address(#[from] BadTarget),
    #[error(transparent)]
    Sealed(#[from] NotOurs),
    #[error(transparent)]
    Encryption(#[from] NotEncrypted),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("no request can be made of it: {0}")]
    Request(#[from] http::header::InvalidHeaderValue),
    #[error("it cannot be written: {0}")]
    Body(#[from] serde_json::Error),
    #[error("its URL holds no topic")]
    Topic,
}

impl Undelivered {
    /// Whether another try may help.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Later { .. } | Self::Unsent(_) | Self::Randomness(_))
    }

    /// The wait that was asked for.
    pub(super) fn wait_ms(&self) -> Option<u64> {
        let Self::Later { wait_seconds, .. } = self else { return None };
        wait_seconds.map(|seconds| seconds.saturating_mul(1_000).min(limits::NOTIFY_RETRY_AFTER_MS_MAX))
    }
}

/// A request that is to be made.
struct Post {
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Tells a target something. `may_answer`: what it is told carries the right to answer.
pub(super) async fn deliver(
    house: &House,
    target: &Target,
    notice: &Notice,
    may_answer: bool,
) -> Result<(), Undelivered> {
    let delivered = attempt(house, target, notice, may_answer).await;
    let kind = match target.added.kind {
        TargetKind::WebPush => "web_push",
        TargetKind::Webhook => "webhook",
        TargetKind::Ntfy => "ntfy",
    };
    let outcome = if delivered.is_ok() { "ok" } else { "failed" };
    metrics::counter!(telemetry::NOTIFICATIONS, "kind" => kind, "outcome" => outcome).increment(1);
    delivered
}

async fn attempt(house: &House, target: &Target, notice: &Notice, may_answer: bool) -> Result<(), Undelivered> {
    let recipient = house.notify.recipient(target)?;
    let token = may_answer.then(|| token(house, target, notice)).transpose()?.flatten();
    let post = match &recipient {
        Recipient::WebPush { endpoint, .. } => push(house, &recipient, endpoint, notice, token)?,
        Recipient::Webhook { url, secret } => webhook(house, target, url, secret.as_deref(), notice)?,
        Recipient::Ntfy { url, token: access } => ntfy(house, url, access.as_deref(), notice, token)?,
    };
    let address = Address::parse(&post.url)?;
    let answer = house.outbound.post(&address, post.headers, Bytes::from(post.body)).await?;
    judge(target.added.kind, &answer)
}

fn judge(kind: TargetKind, answer: &Answer) -> Result<(), Undelivered> {
    let status = answer.status;
    let code = status.as_u16();
    // A push service says of an endpoint that it does not know; other servers may be set up in a moment.
    let is_gone = match kind {
        TargetKind::WebPush => matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE),
        TargetKind::Webhook | TargetKind::Ntfy => status == StatusCode::GONE,
    };
    match code {
        200..=299 => Ok(()),
        _ if is_gone => Err(Undelivered::Gone(code)),
        408 | 425 | 429 | 500..=599 => Err(Undelivered::Later { status: code, wait_seconds: answer.retry_after }),
        _ => Err(Undelivered::Refused(code)),
    }
}

/// The right to answer this question, for this target.
fn token(house: &House, target: &Target, notice: &Notice) -> Result<Option<Secret>, NoRandomness> {
    let (PushedKind::Permission, Some(session), Some(asked)) = (notice.kind, notice.session, notice.asked) else {
        return Ok(None);
    };
    let claims = AnswerClaims {
        target: target.id(),
        session,
        asked,
        epoch: house.relay.epoch(),
        expires_at: house.relay.now().plus_ms(limits::NOTICE_TOKEN_MS),
        nonce: u64::from_be_bytes(random::bytes()?),
        may_allow: notice.is_whole,
    };
    Ok(Some(sign_answer(&house.signing, claims)))
}

const fn decision(verdict: Verdict) -> Decision {
    match verdict {
        Verdict::Allow => Decision::Allow,
        Verdict::Deny => Decision::Deny,
    }
}

fn path_of(notice: &Notice) -> String {
    notice.session.map_or_else(|| "/code/notifications".to_owned(), |session| format!("/code/{session}"))
}

fn push(
    house: &House,
    recipient: &Recipient,
    endpoint: &str,
    notice: &Notice,
    token: Option<Secret>,
) -> Result<Post, Undelivered> {
    let pushed = Pushed {
        kind: notice.kind,
        tag: notice.tag.clone(),
        path: path_of(notice),
        session_title: notice.title.clone(),
        tool: notice.tool.clone(),
        text: notice.text.clone(),
        token: token.map(|token| token.expose().to_owned()),
        may_allow: notice.is_whole,
        verdict: notice.verdict.map(decision),
        by: notice.by_name.clone(),
        waiting: notice.waiting,
    };
    let (key, auth) = recipient.browser_keys().ok_or(NotEncrypted::Key)?;
    let body = push_encoding::encrypt(&serde_json::to_vec(&pushed)?, &key, &auth)?;
    let origin = Address::parse(endpoint)?.origin();
    let authorization = house.notify.push.authorization(&origin, &house.notify.contact, house.relay.now())?;
    // Somebody waits for an answer; the end of it may wait until the phone is awake.
    let (urgency, ttl_seconds) = match notice.kind {
        PushedKind::Permission => ("high", limits::NOTICE_TOKEN_MS / 1_000),
        PushedKind::Settled => ("normal", limits::NOTICE_TOKEN_MS / 1_000),
        PushedKind::Turn => ("normal", 3_600),
        PushedKind::Test => ("high", 60),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert(header::AUTHORIZATION, HeaderValue::try_from(authorization)?);
    headers.insert(HeaderName::from_static("ttl"), HeaderValue::from(ttl_seconds));
    headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static(urgency));
    // What was not fetched yet is replaced by what comes after it: at most 32 characters of base64url (RFC 8030).
    let Fingerprint(topic) = fingerprint([notice.tag.as_bytes()]);
    headers.insert(HeaderName::from_static("topic"), HeaderValue::try_from(URL_SAFE_NO_PAD.encode(topic))?);
    Ok(Post { url: endpoint.to_owned(), headers, body })
}

/// What is told twice is told under the same id.
fn message_id(target: TargetId, notice: &Notice) -> String {
    let kind = format!("{:?}", notice.kind);
    // A question is asked once and settled once; turns of a session end again and again, and so do tests.
    let at = match notice.kind {
        PushedKind::Permission | PushedKind::Settled => String::new(),
        PushedKind::Turn | PushedKind::Test => notice.at.to_string(),
    };
    let parts = [target.to_string(), notice.tag.clone(), kind, at];
    let Fingerprint(id) = fingerprint(parts.iter().map(String::as_bytes));
    format!("msg_{}", URL_SAFE_NO_PAD.encode(id))
}

/// A POST as standardwebhooks.com describes it.
fn webhook(
    house: &House,
    target: &Target,
    url: &str,
    secret: Option<&str>,
    notice: &Notice,
) -> Result<Post, Undelivered> {
    let link = match notice.session {
        Some(session) => place_of(&house.settings.base_url, session),
        None => format!("{}/code/", house.settings.base_url.trim_end_matches('/')),
    };
    let body = serde_json::to_vec(&WebhookNotice {
        kind: notice.kind,
        at: notice.at.to_string(),
        session_id: notice.session,
        session_title: notice.title.clone(),
        request_id: notice.request.clone(),
        tool: notice.tool.clone(),
        text: notice.text.clone(),
        verdict: notice.verdict.map(decision),
        decided_by: notice.by,
        link,
    })?;
    let id = message_id(target.id(), notice);
    let seconds = house.relay.now().0 / 1_000;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("rcs"));
    headers.insert(HeaderName::from_static("webhook-id"), HeaderValue::try_from(&id)?);
    headers.insert(HeaderName::from_static("idempotency-key"), HeaderValue::try_from(&id)?);
    headers.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(seconds));
    if let Some(secret) = secret {
        let signature = signature(secret, &id, seconds, &body);
        headers.insert(HeaderName::from_static("webhook-signature"), HeaderValue::try_from(signature)?);
    }
    Ok(Post { url: url.to_owned(), headers, body })
}

/// `v1,` and the HMAC of id, time and body, with the key inside the secret.
fn signature(secret: &str, id: &str, seconds: u64, body: &[u8]) -> String {
    let inner = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(inner).unwrap_or_else(|_| secret.as_bytes().to_vec());
    let signed = [format!("{id}.{seconds}.").as_bytes(), body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
    format!("v1,{}", STANDARD.encode(tag))
}

/// A message as <https://docs.ntfy.sh/publish/> describes it, in JSON: headers hold no words of other languages.
fn ntfy(
    house: &House,
    url: &str,
    access: Option<&str>,
    notice: &Notice,
    token: Option<Secret>,
) -> Result<Post, Undelivered> {
    let (server, topic) = split_topic(url).ok_or(Undelivered::Topic)?;
    let base = house.settings.base_url.trim_end_matches('/');
    let place = format!("{base}{}", path_of(notice));
    let title = notice.title.as_deref().unwrap_or("RCS");
    let by = notice.by_name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    let (heading, text, priority, tag) = match (notice.kind, notice.verdict) {
        (PushedKind::Permission, _) => {
            let tool = notice.tool.as_deref().unwrap_or_default();
            (format!("{tool}? {title}"), notice.text.clone().unwrap_or_default(), 4, "raised_hand")
        }
        (PushedKind::Settled, Some(Verdict::Allow)) => {
            (title.to_owned(), format!("Allowed{by}"), 2, "white_check_mark")
        }
        (PushedKind::Settled, Some(Verdict::Deny)) => (title.to_owned(), format!("Denied{by}"), 2, "x"),
        (PushedKind::Settled, None) => (title.to_owned(), "No longer asked".to_owned(), 2, "ballot_box_with_check"),
        (PushedKind::Turn, _) => (title.to_owned(), "The turn is over".to_owned(), 3, "checkered_flag"),
        (PushedKind::Test, _) => ("RCS".to_owned(), "Notifications arrive here".to_owned(), 3, "bell"),
    };
    let mut actions = vec![json!({"action": "view", "label": "Open", "url": place})];
    if let Some(token) = token {
        let answer = |label: &str, decision: Decision| {
            json!({"action": "http", "label": label, "method": "POST", "clear": true,
                "url": format!("{base}/api/v1/notifications/answer"),
                "headers": {"content-type": "application/json"},
                "body": json!({"token": token.expose(), "decision": decision}).to_string()})
        };
        if notice.is_whole {
            actions.push(answer("Allow", Decision::Allow));
        }
        actions.push(answer("Deny", Decision::Deny));
    }
    let Fingerprint(sequence) = fingerprint([notice.tag.as_bytes()]);
    let body = serde_json::to_vec(&json!({
        "topic": topic,
        "title": heading,
        "message": text,
        "priority": priority,
        "tags": [tag],
        "click": place,
        "actions": actions,
        // Servers that know it let a later message replace this one; others pass over it.
        "sequence_id": URL_SAFE_NO_PAD.encode(sequence),
    }))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("rcs"));
    if let Some(access) = access {
        // Theirs begin with tk_; whoever has none writes name:password.
        let value = if access.contains(':') {
            format!("Basic {}", STANDARD.encode(access))
        } else {
            format!("Bearer {access}")
        };
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(value)?);
    }
    Ok(Post { url: server.to_owned(), headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SessionId, Timestamp};

    /// Receivers that keep ids took the second for a repetition of the first, and nobody heard of it.
    #[test]
    fn each_end_of_a_turn_has_an_id_of_its_own_and_a_question_that_is_told_again_has_not() {
        let target = TargetId::from_uuid(uuid::Uuid::from_u128(2));
        let session = SessionId::from_uuid(uuid::Uuid::from_u128(1));
        let of = |kind, at| {
            let mut notice = Notice::test(Timestamp(at));
            (notice.kind, notice.session, notice.tag) = (kind, Some(session), "tag".into());
            message_id(target, &notice)
        };
        assert_ne!(of(PushedKind::Turn, 1), of(PushedKind::Turn, 2));
        assert_eq!(of(PushedKind::Permission, 1), of(PushedKind::Permission, 2));
        assert_ne!(of(PushedKind::Permission, 1), of(PushedKind::Settled, 1));
    }

    /// The example of standardwebhooks.com's own test suite.
    #[test]
    fn a_webhook_is_signed_as_others_verify_it() {
        let body = br#"{"test": 2432232314}"#;
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
