//! A browser that is signed in, as the server sees one: a cookie, and pages of the server's own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, service::Service};
use crate::harness::{ALICE, Answer, Server};

pub(super) struct Browser {
    http: reqwest::Client,
    pub(super) url: String,
    cookie: String,
}

/// A stream that stays open until it is dropped.
pub(super) struct Page {
    _reading: tokio::task::JoinHandle<()>,
    stop: tokio::task::AbortHandle,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

impl Browser {
    pub(super) async fn sign_in(server: &Server) -> Self {
        Self::sign_in_as(server, ALICE).await
    }

    pub(super) async fn sign_in_as(server: &Server, key: &str) -> Self {
        let http = reqwest::Client::new();
        let request = http.post(format!("{}/api/v1/login", server.url)).header("origin", &server.url);
        let answer = request.json(&json!({ "key": key })).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let set = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
        let cookie = set.split(';').next().expect("a cookie").to_owned();
        Self { http, url: server.url.clone(), cookie }
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        // A fresh connection each time: the server is killed in between.
        let http = reqwest::Client::new();
        let request = http.request(method.parse().expect("a method"), format!("{}{path}", self.url));
        let mut request = request.header("origin", &self.url).header("cookie", &self.cookie);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.timeout(PATIENCE).send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("text") }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Value::Null).await
    }

    /// Switches notifications on; what is pushed goes to this service.
    pub(super) async fn subscribe(&self, service: &Service) -> Value {
        let made = self.send("POST", "/api/v1/notifications/targets", service.subscription("a")).await.expect(201);
        made["target"].clone()
    }

    pub(super) async fn targets(&self) -> Vec<Value> {
        let page = self.get("/api/v1/notifications/targets").await.expect(200);
        page["items"].as_array().expect("items").clone()
    }

    /// Waits until the list is as the test wants it.
    pub(super) async fn until(&self, wanted: impl Fn(&[Value]) -> bool) {
        let started = Instant::now();
        loop {
            let targets = self.targets().await;
            if wanted(&targets) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{targets:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it is durable that the first target was told something.
    pub(super) async fn until_told(&self, server: &Server) {
        assert_eq!(self.url, server.url);
        self.until(|targets| targets.first().is_some_and(|target| !target["told_at"].is_null())).await;
    }
}

/// Opens a stream with the browser's cookie and reads it. Returns when its first piece is here.
pub(super) async fn look(browser: &Browser, path: &str) -> Page {
    let request = browser.http.get(format!("{}{path}", browser.url)).header("cookie", &browser.cookie);
    let request = request.header("accept", "text/event-stream").header("rcs-app", "1");
    let mut response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    response.chunk().await.expect("a piece");
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = response.chunk().await {} });
    Page { stop: reading.abort_handle(), _reading: reading }
}
