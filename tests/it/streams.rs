//! The streams room over the wire, against a real server: what outlives its death.

use std::time::{Duration, Instant};

use crate::harness::{ALICE, Server};

mod exactly_once;
mod restart;
mod subscriptions;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of streams: headers in, headers and bytes out.
#[derive(Clone)]
struct Streams {
    http: reqwest::Client,
    url: String,
}

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    fn offset(&self) -> String {
        self.header("stream-next-offset").to_owned()
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Streams {
    fn new(server: &Server) -> Self {
        Self { http: reqwest::Client::new(), url: format!("{}/v1/stream", server.url) }
    }

    /// Sends; an error of the connection is the caller's to judge.
    async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, reqwest::Error> {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}/{path}", self.url)).bearer_auth(ALICE).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.timeout(PATIENCE).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Asks for the head of a stream until it has this status.
    async fn until(&self, path: &str, status: u16) {
        let started = Instant::now();
        while self.send("HEAD", path, &[], "").await.status != status {
            assert!(started.elapsed() < PATIENCE, "{path} never became {status}");
            tokio::task::yield_now().await;
        }
    }
}

const TEXT: (&str, &str) = ("content-type", "text/plain");
const JSON: (&str, &str) = ("content-type", "application/json");
