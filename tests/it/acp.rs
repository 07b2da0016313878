//! The ACP room over the wire, against a real server: agents behind links, those who look on, and what outlives a cut.

mod link;
mod load;
mod returns;
mod steering;
mod together;
mod viewer;

use link::{Agent, Talents};
use serde_json::{Value, json};
use viewer::Viewer;

use crate::harness::{ALICE, Client, Server};

#[tokio::test]
async fn a_mode_that_asks_nothing_is_an_admins_to_begin_in() {
    let server = Server::start();
    let one = agent();
    let line = link::Line::open(&server, ALICE, "lab", &one).await;
    let mut viewer = Viewer::connected(&server, ALICE, &line.environment).await;
    viewer.say("new_session", json!({"permissionMode": "bypassPermissions"})).await;
    assert!(viewer.hear("error").await.to_string().contains("AdminAll"));
    viewer.say("new_session", json!({"permissionMode": "plan"})).await;
    viewer.hear("session_created").await;
    assert_eq!(one.heard("new_session")[0]["payload"], json!({"permissionMode": "plan"}));
    let environments: Value = Client::new(&server, ALICE).get("/api/v1/environments").await.expect(200);
    assert_eq!(environments["items"][0]["id"], line.environment.as_str());
}

/// An agent that can do everything.
fn agent() -> Agent {
    Agent::new("node", Talents { load: true, resume: true, steered: false })
}
