//! The room without a network: calls in, whole answers out, by a clock that stands still until a test moves it.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use uuid::Uuid;

use crate::{
    api::common::{Call, House, Outbound, RequestNames, Settings, call::normal_path},
    domain::{
        Actor, Command, KeyId, OwnerId, Timestamp,
        event::{KeyCreated, Role},
    },
    relay::{Options, Relay},
    security::{PrivateTargets, SigningKeys, Throttle, ThrottleConfig, WebhookKeys, digest::secret_digest},
    wire::streams::header as name,
};

mod answers;
mod readers;
mod rights;

pub(crate) const ALICE: &str = "alice-key-for-tests-0001";
pub(crate) const MALLORY: &str = "mallory-key-for-tests-0001";
pub(crate) const VIEWER: &str = "viewer-key-for-tests-0001";
pub(crate) const RUNNER: &str = "runner-key-for-tests-0001";
pub(crate) const ADMIN: &str = "admin-key-for-tests-0001";

pub(crate) const TEXT: (&str, &str) = ("content-type", "text/plain");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A house, and the clock on its wall.
pub(crate) struct Bench {
    pub(crate) house: Arc<House>,
    clock: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) const fn owner(number: u128) -> OwnerId {
    OwnerId::from_uuid(Uuid::from_u128(number))
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn offset(&self) -> String {
        self.header(name::NEXT_OFFSET).to_owned()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    /// Everything that a client can see of it. Headers that every answer has are left out, and lives are random.
    pub(crate) fn shown(&self) -> String {
        let always = ["vary", "x-content-type-options", "cross-origin-resource-policy", "content-security-policy"];
        let mut page = format!("{}\n", self.status);
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !always.contains(&name.as_str()))
            .map(|(name, value)| format!("  {name}: {}\n", value.to_str().expect("text")))
            .collect();
        lines.sort();
        page.extend(lines);
        if !self.body.is_empty() {
            writeln!(page, "{}", String::from_utf8_lossy(&self.body).trim_end()).expect("a string takes everything");
        }
        anonymised(&page)
    }
}

/// Without the numbers of lives, which are drawn anew by each run.
fn anonymised(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = rest.find(['_', '"']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let hex = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        rest = if before.ends_with('_') && digits == 16 && !after.starts_with("0000000000000000") {
            out.push_str("LIFE");
            &after[16..]
        } else if hex >= 8 && after[hex..].starts_with(':') {
            out.push_str("LIFE");
            &after[hex..]
        } else {
            after
        };
    }
    out + rest
}

impl Bench {
    pub(crate) async fn open() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let signing = SigningKeys::open(&directory.path().join("signing.key")).expect("keys");
        // 2026-01-02T03:04:05Z.
        let clock = Arc::new(AtomicU64::new(1_767_323_045_000));
        let read = Arc::clone(&clock);
        let options = Options { clock: Arc::new(move || Timestamp(read.load(Ordering::SeqCst))), ..Options::default() };
        let relay = Relay::in_memory_with(options);
        let mut settings = Settings {
            base_url: "http://rcs.test".into(),
            version: "1.2.3".into(),
            poll_timeout: Duration::from_secs(8),
            sse_keepalive: Duration::from_secs(15),
            jwt_lifetime: Duration::from_hours(1),
            ws_keepalive: Duration::from_secs(20),
            ws_idle: Duration::from_mins(1),
            cors_origins: vec!["https://phone.test".into()],
            streams_anonymous: crate::security::AnonymousRights::default(),
            streams_poll: Duration::from_millis(20),
            streams_sse: Duration::from_millis(50),
        };
        change(&mut settings);
        let keys = [
            (1, 1, ALICE, Role::Member),
            (2, 2, MALLORY, Role::Member),
            (3, 1, VIEWER, Role::Viewer),
            (4, 1, RUNNER, Role::Runner),
            (5, 5, ADMIN, Role::Admin),
        ];
        for (number, whose, secret, role) in keys {
            let created = KeyCreated {
                key: KeyId::from_uuid(Uuid::from_u128(number)),
                owner: owner(whose),
                name: secret.split('-').next().unwrap_or_default().into(),
                role,
                digest: secret_digest(secret),
                expires_at: None,
                configured: false,
            };
            relay.submit(Actor::System, Command::CreateKey(created)).await.expect("a key");
        }
        let throttle = Throttle::new(ThrottleConfig::default());
        let metrics = Arc::new(String::new);
        let webhook_keys = WebhookKeys::open(&directory.path().join("webhook.key")).expect("keys");
        let names = RequestNames::since(relay.now());
        let house = Arc::new(House {
            names,
            relay,
            signing: Arc::new(signing),
            throttle,
            settings,
            metrics,
            outbound: Outbound::new(PrivateTargets::default(), Vec::new()),
            webhook_keys: Arc::new(webhook_keys),
            notify: crate::api::common::Notify::for_tests(directory.path()),
        });
        Self { house, clock, _directory: directory }
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut map = HeaderMap::new();
        if !token.is_empty() {
            map.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).expect("a token"));
        }
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header name");
            map.insert(name, HeaderValue::from_str(value).expect("a header"));
        }
        let call = Call {
            method: method.parse().expect("a method"),
            path: normal_path(path),
            query: query.map(str::to_owned),
            headers: map,
            peer: None,
            body: body.into(),
        };
        let (head, body) = super::answer(Arc::clone(&self.house), call).await.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn put(&self, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        self.send("PUT", path, ALICE, headers, body).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        self.send("POST", path, ALICE, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, ALICE, &[], "").await
    }
}
