//! What the tests of subscriptions stand on: a house over a memory journal whose webhooks are delivered, and clients
//! that call its door.

mod claims;
mod receiver;
mod refusals;
mod shapes;
mod webhooks;

use std::{io, net::SocketAddr, sync::Arc};

use serde_json::{Value, json};

use super::deliver;
use crate::{
    api::common::{
        House, Outbound,
        bench::{self, ALICE, Answer, MALLORY, PATIENCE, PEOPLE, RUNNER, VIEWER},
        outbound::Lookup,
    },
    domain::event::Role,
    relay::Relay,
};

/// Of the same owner.
const ALICES_PHONE: &str = "phone-key-for-tests-0001";

struct Bench {
    house: Arc<House>,
    _directory: tempfile::TempDir,
}

impl Answer {
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
        let (directory, house) = bench::house(Relay::in_memory(), |house| {
            house.outbound = Outbound::with_lookup(private.parse().expect("networks"), Vec::new(), lookup);
        });
        bench::let_in(&house, &PEOPLE).await;
        bench::let_in(&house, &[(6, 1, ALICES_PHONE, Role::Member)]).await;
        tokio::spawn(deliver(Arc::clone(&house)));
        let timers = house.relay.clone();
        tokio::spawn(async move { timers.run_timers().await });
        Self { house, _directory: directory }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let (path, json) = (format!("/v1/stream/{path}"), [("content-type", "application/json")]);
        let call = bench::call(method, &path, token, &json, bench::body(body));
        bench::read(super::super::answer(Arc::clone(&self.house), call).await).await
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
        tokio::time::timeout(PATIENCE, waiting).await.expect("in time")
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
