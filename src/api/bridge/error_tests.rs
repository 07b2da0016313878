//! The shape and the status of every failure: clients act on them.

use std::fmt::Write as _;

use uuid::Uuid;

use super::*;
use crate::{
    domain::{EnvironmentId, KeyId, Sequence, Stream, event::Role},
    security::{Grant, api_key::Rejected},
};

fn session() -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(1))
}

fn all() -> Vec<Failure> {
    let key = KeyId::from_uuid(Uuid::from_u128(2));
    let environment = EnvironmentId::from_uuid(Uuid::from_u128(3));
    let refused = |refusal: Refusal| Failure::from(refusal);
    vec![
        Failure::NotFound,
        Failure::MethodNotAllowed("GET, PATCH".into()),
        Failure::UpgradeRequired,
        BadRequest::parameter("title", "must not be empty").into(),
        BadRequest::MediaType { given: "text/plain".into() }.into(),
        Unknown::Missing.into(),
        Unknown::Key(Rejected::Revoked { key }).into(),
        Unknown::Throttled(RetryAfter { seconds: 6 }).into(),
        Denied::Foreign.into(),
        Denied::Role { role: Role::Viewer, grant: Grant::SessionRun }.into(),
        Denied::Token { grant: Grant::SessionWrite }.into(),
        RetryAfter { seconds: 2 }.into(),
        NoRandomness.into(),
        Failure::Over(session()),
        Failure::AlreadyArchived(session()),
        Failure::TooMany { what: "events", count: 5_000, max: 1_000 },
        Failure::Unexpected,
        RelayError::Busy { waiting: 8_192 }.into(),
        RelayError::Closing.into(),
        RelayError::Gap {
            stream: Stream::Session(session()),
            asked: Sequence(1),
            earliest: Sequence(5),
            latest: Sequence(9),
        }
        .into(),
        refused(Refusal::NoEnvironment(environment)),
        refused(Refusal::NoSession(session())),
        refused(Refusal::Archived(session())),
        refused(Refusal::Superseded { session: session(), given: 1, current: 2 }),
        refused(Refusal::KeyReused { what: "message id x".into() }),
        refused(Refusal::Full { what: "the list of sessions", max: 10 }),
    ]
}

#[tokio::test]
async fn every_failure_on_one_page() {
    let mut page = String::new();
    for failure in all() {
        let response = failure.into_response();
        let (parts, body) = response.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.expect("a body in memory").to_bytes();
        let body = String::from_utf8_lossy(&body);
        let header = |name| parts.headers.get(&name).map(|value| value.to_str().expect("text").to_owned());
        let told: Vec<String> = [header::RETRY_AFTER, header::ALLOW, header::UPGRADE, header::WWW_AUTHENTICATE]
            .into_iter()
            .filter_map(|name| header(name.clone()).map(|value| format!("{name}: {value}")))
            .collect();
        writeln!(page, "{} {} {body}", parts.status.as_u16(), told.join(", ")).expect("a string takes everything");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn nothing_of_the_disk_or_of_others_is_shown() {
    let journal = crate::relay::JournalError::Unreadable { path: "/var/lib/secret".into(), reason: "x".into() };
    let words = Failure::Relay(RelayError::Journal(journal)).words();
    assert!(!words.contains("/var/lib"), "{words}");
    assert_eq!(Failure::Denied(Denied::Foreign).words(), Failure::NotFound.words());
}

#[test]
fn conflict_is_said_of_two_things_only() {
    let conflicts: Vec<_> = all().into_iter().filter(|failure| failure.class().0 == StatusCode::CONFLICT).collect();
    assert!(matches!(
        conflicts.as_slice(),
        [Failure::AlreadyArchived(_), Failure::Relay(RelayError::Refused(Refusal::Superseded { .. }))]
    ));
}
