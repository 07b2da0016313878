//! The bridge room over the wire, in both of its data planes: what outlives the server's death, what fits through, and
//! how it says goodbye.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{ALICE, Client, Server};

mod v1;
mod v2;

/// What somebody writes to the agent, under an id of their own.
async fn say(server: &Server, session: &str, uuid: &str, content: &str) {
    let event = json!({"type": "user", "uuid": uuid, "message": {"role": "user", "content": content}});
    let body = json!({ "events": [event] });
    let answer = Client::new(server, ALICE).post(&format!("/v1/sessions/{session}/events"), body).await;
    assert!(answer.status < 300, "{answer:?}");
}

/// The token inside a work item: all that a worker is given.
fn token_of(item: &Value) -> String {
    let secret = URL_SAFE_NO_PAD.decode(item["secret"].as_str().expect("a secret")).expect("base64url");
    let secret: Value = serde_json::from_slice(&secret).expect("JSON");
    secret["session_ingress_token"].as_str().expect("a token").to_owned()
}

/// The work that waits for a runner.
async fn poll(runner: &Client, environment: &str) -> Value {
    let path = format!("/v1/environments/{environment}/work/poll?reclaim_older_than_ms=1000");
    runner.get(&path).await.expect(200)
}
