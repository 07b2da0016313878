//! What the tokens that we hand out rest on, and what ends them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use ring::hmac;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bench::{ALICE, Bench, MALLORY, wire, worker};
use crate::domain::{Actor, Command, KeyId, SessionId};

/// The three things that a machine of Alice's is given.
struct Given {
    session: SessionId,
    jwt: String,
    ingress: String,
    environment: String,
    secret: String,
}

async fn given(bench: &Bench) -> Given {
    let body = json!({"machine_name": "vm", "directory": "/src", "branch": "main", "git_repo_url": null,
        "max_sessions": 1, "metadata": {"worker_type": "claude_code"}});
    let registered = wire(bench.post("/v1/environments/bridge", ALICE, body).await);
    let text = |name: &str| registered[name].as_str().expect("text").to_owned();
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let ingress = bench.ingress(session);
    Given { session, jwt, ingress, environment: text("environment_id"), secret: text("environment_secret") }
}

impl Given {
    /// What each token opens at this moment.
    async fn statuses(&self, bench: &Bench) -> [StatusCode; 3] {
        let state = worker(self.session, "");
        let heartbeat = format!("/v1/environments/{}/work/poll", self.environment);
        [
            bench.get(&state, &self.jwt).await.status,
            bench.get(&state, &self.ingress).await.status,
            bench.get(&heartbeat, &self.secret).await.status,
        ]
    }
}

async fn bench() -> Bench {
    Bench::with(|settings| settings.poll_timeout = std::time::Duration::ZERO).await
}

/// S5: worker tokens were signed with the first API key, so that whoever saw one could try keys at home.
#[tokio::test]
async fn s5_no_api_key_verifies_what_the_server_signed() {
    let bench = bench().await;
    let Given { jwt, .. } = given(&bench).await;
    let (signed, tag) = jwt.rsplit_once('.').expect("three parts");
    let tag = URL_SAFE_NO_PAD.decode(tag).expect("base64url");
    let payload = signed.split_once('.').expect("two parts").1;
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON");
    assert!(payload["exp"].is_u64(), "{payload}");
    for guess in [ALICE, MALLORY, "", "test-key"] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, guess.as_bytes());
        assert!(hmac::verify(&key, signed.as_bytes(), &tag).is_err(), "signed with {guess:?}");
    }
}

/// S5: there was no rotation: a key that had leaked signed for ever.
#[tokio::test]
async fn s5_a_rotation_ends_what_was_signed_before_when_it_is_told_to() {
    let bench = bench().await;
    let before = given(&bench).await;
    bench.house.signing.rotate(bench.house.relay.now(), std::time::Duration::from_mins(1)).expect("rotated");
    assert!(before.statuses(&bench).await.iter().all(StatusCode::is_success), "within the overlap");
    bench.house.signing.rotate(bench.house.relay.now(), std::time::Duration::ZERO).expect("rotated");
    assert_eq!(before.statuses(&bench).await, [StatusCode::UNAUTHORIZED; 3]);
    assert!(given(&bench).await.statuses(&bench).await.iter().all(StatusCode::is_success));
}

/// S5: whoever's key was taken away went on through what it had opened.
#[tokio::test]
async fn s5_without_a_key_of_their_owners_runners_and_workers_end() {
    let quick = |settings: &mut crate::api::common::Settings| {
        settings.poll_timeout = std::time::Duration::ZERO;
        settings.sse_keepalive = std::time::Duration::from_millis(5);
    };
    let bench = Bench::with(quick).await;
    let alice = given(&bench).await;
    assert!(alice.statuses(&bench).await.iter().all(StatusCode::is_success));
    let mut stream = bench.stream(alice.session, &alice.jwt, None).await;
    assert_eq!(stream.frame().await.as_deref(), Some(": keepalive"));
    let key = KeyId::from_uuid(Uuid::from_u128(1));
    bench.house.relay.submit(Actor::System, Command::RevokeKey { key }).await.expect("revoked");

    assert_eq!(alice.statuses(&bench).await, [StatusCode::UNAUTHORIZED; 3]);
    let mut last = String::new();
    while let Some(frame) = stream.frame().await {
        last = frame;
    }
    assert_eq!(last, ": the keys of the session's owner were revoked", "the open stream ends too");
    let refused = bench.get(&worker(alice.session, ""), &alice.ingress).await.expect(401);
    assert!(refused["error"]["message"].as_str().expect("words").contains("last API key"), "{refused}");
    bench.get("/v1/code/sessions/session_1", MALLORY).await.expect(404);
}
