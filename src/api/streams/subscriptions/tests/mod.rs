//! What the tests of subscriptions stand on: a house over a memory journal whose webhooks are delivered, and clients
//! that call its door.

mod claims;
mod receiver;
mod refusals;
mod shapes;
mod webhooks;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::deliver;
use crate::{
    api::common::{Call, House, Outbound, RequestNames, Settings, outbound::Lookup},
    domain::{
        Actor, Command, KeyId, OwnerId,
        event::{KeyCreated, Role},
    },
    relay::Relay,
    security::{AnonymousRights, SigningKeys, Throttle, ThrottleConfig, WebhookKeys, digest::secret_digest},
};

const ALICE: &str = "alice-key-for-tests-0001";
/// Of the same owner.
const ALICES_PHONE: &str = "phone-key-for-tests-0001";
const VIEWER: &str = "viewer-key-for-tests-0001";
const RUNNER: &str = "runner-key-for-tests-0001";
const MALLORY: &str = "mallory-key-for-tests-0001";

struct Bench {
    house: Arc<House>,
    _directory: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).expect("JSON") }
    }

    #[track_caller]
    fn refused(self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["error"]["code"], code, "{body}");
        body
    }
}

/// Every name is what the system says.
fn system() -> Lookup {
    Arc::new(|host, port| Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) }))
}

impl Bench {
    async fn open() -> Self {
        Self::with(system(), "loopback").await
    }

    async fn with(lookup: Lookup, private: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let signing = SigningKeys::open(&directory.path().join("signing.key")).expect("keys");
        let webhook_keys = WebhookKeys::open(&directory.path().join("webhook.key")).expect("keys");
        let relay = Relay::in_memory();
        let keys = [
            (1, 1, ALICE, Role::Member),
            (2, 2, MALLORY, Role::Member),
            (3, 1, VIEWER, Role::Viewer),
            (4, 1, RUNNER, Role::Runner),
            (5, 1, ALICES_PHONE, Role::Member),
        ];
        for (number, whose, secret, role) in keys {
            let created = KeyCreated {
                key: KeyId::from_uuid(Uuid::from_u128(number)),
                owner: OwnerId::from_uuid(Uuid::from_u128(whose)),
                name: secret.into(),
                role,
                digest: secret_digest(secret),
                expires_at: None,
                configured: false,
            };
            relay.submit(Actor::System, Command::CreateKey(created)).await.expect("a key");
        }
        let names = RequestNames::since(relay.now());
        let house = Arc::new(House {
            names,
            relay,
            signing: Arc::new(signing),
            throttle: Throttle::new(ThrottleConfig::default()),
            settings: settings(),
            metrics: Arc::new(String::new),
            outbound: Outbound::with_lookup(private.parse().expect("networks"), Vec::new(), lookup),
            webhook_keys: Arc::new(webhook_keys),
            notify: crate::api::common::Notify::for_tests(directory.path()),
        });
        tokio::spawn(deliver(Arc::clone(&house)));
        let timers = house.relay.clone();
        tokio::spawn(async move { timers.run_timers().await });
        Self { house, _directory: directory }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).expect("a token"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let call = Call {
            method: method.parse().expect("a method"),
            path: format!("/v1/stream/{path}"),
            query: None,
            headers,
            peer: None,
            body,
        };
        let response = super::super::answer(Arc::clone(&self.house), call).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Under a subscription of Alice's.
    async fn sub(&self, method: &str, below: &str, body: Value) -> Answer {
        self.send(method, &format!("__ds/subscriptions/{below}"), ALICE, &body).await
    }

    /// A webhook subscription of Alice's.
    async fn subscribe(&self, name: &str, url: &str, lease_ttl_ms: u64) {
        let wish = json!({"type": "webhook", "pattern": "events/*", "webhook": {"url": url},
            "lease_ttl_ms": lease_ttl_ms});
        self.sub("PUT", name, wish).await.expect(201);
    }

    /// A new stream of Alice's, with one message.
    async fn stream(&self, path: &str) {
        self.send("PUT", path, ALICE, &json!({"n": 0})).await.expect(201);
    }

    async fn append(&self, path: &str) {
        let answer = self.send("POST", path, ALICE, &json!({"n": 1})).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    /// Waits until the subscription is shown like this.
    async fn until(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            let mut changed = self.house.relay.subscriptions_changed();
            loop {
                let shown = self.sub("GET", name, Value::Null).await.expect(200);
                if holds(&shown) {
                    return shown;
                }
                changed.changed().await.expect("the relay lives");
            }
        };
        tokio::time::timeout(receiver::PATIENCE, waiting).await.expect("in time")
    }
}

fn settings() -> Settings {
    Settings {
        base_url: "http://rcs.test".into(),
        version: "test".into(),
        poll_timeout: Duration::from_secs(8),
        sse_keepalive: Duration::from_secs(15),
        jwt_lifetime: Duration::from_hours(1),
        ws_keepalive: Duration::from_secs(20),
        ws_idle: Duration::from_mins(1),
        cors_origins: Vec::new(),
        streams_anonymous: AnonymousRights::default(),
        streams_poll: Duration::from_secs(1),
        streams_sse: Duration::from_mins(1),
    }
}

/// A name that points to the first address once and to the second from then on.
fn turncoat(first: SocketAddr, then: SocketAddr) -> Lookup {
    let asked = std::sync::atomic::AtomicBool::new(false);
    Arc::new(move |_, _| {
        let again = asked.swap(true, std::sync::atomic::Ordering::Relaxed);
        let address = if again { then } else { first };
        Box::pin(async move { io::Result::Ok(vec![address]) })
    })
}
