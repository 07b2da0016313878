//! A real `rcsd` in its own process, on its own port and data directory, and the clients that drive it.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A server process. Dropping it kills it.
pub(crate) struct Server {
    child: Option<Child>,
    pub data: PathBuf,
    pub url: String,
    /// The port stays the same over restarts, so that clients find their way back.
    port: u16,
    environment: Vec<(String, String)>,
    /// Where its log goes; nowhere special if not set.
    pub log: Option<PathBuf>,
    _directory: Option<TempDir>,
}

/// Two keys that belong to different people.
pub(crate) const ALICE: &str = "alice-key-for-tests-0001";
pub(crate) const MALLORY: &str = "mallory-key-for-tests-0001";

impl Server {
    /// Starts one on a fresh data directory.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with more environment variables.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let port = free_port();
        let mut server = Self {
            child: None,
            data,
            url: format!("http://127.0.0.1:{port}"),
            port,
            environment,
            log: None,
            _directory: Some(directory),
        };
        server.launch();
        server
    }

    /// Sets a variable for the launches to come.
    #[allow(dead_code, reason = "the benchmarks share this file and set none")]
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process and waits until it says that it listens.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcsd"));
        command
            .env_clear()
            .env("RCS_DATA", &self.data)
            .env("RCS_HOST", "127.0.0.1")
            .env("RCS_PORT", self.port.to_string())
            .env("RCS_API_KEYS", format!("{ALICE},{MALLORY}"))
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log.as_ref().map_or_else(Stdio::inherit, |path| {
                std::fs::File::options().create(true).append(true).open(path).expect("a log").into()
            }));
        let mut child = command.spawn().expect("rcsd starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let started = Instant::now();
        let mut printed = Vec::new();
        for line in lines {
            let line = line.expect("text");
            if line.contains("listening on") {
                self.child = Some(child);
                return;
            }
            printed.push(line);
            assert!(started.elapsed() < Duration::from_secs(20), "rcsd did not start: {printed:#?}");
        }
        panic!("rcsd ended at once: {:?} {printed:#?}", child.wait());
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("reaped");
        }
    }

    /// SIGTERM, and the exit that follows.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("running");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        child.wait().expect("reaped")
    }

    /// SIGKILL and a new start on the same data and port.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// The process, for what the system knows of it.
    #[allow(dead_code, reason = "the benchmarks ask for it")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// The key that the server generated for its operator.
    pub(crate) fn admin_key(&self) -> String {
        std::fs::read_to_string(self.data.join("admin.key")).expect("an admin key").trim().to_owned()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.data.join("journal.redb")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// An HTTP client with one credential.
#[derive(Clone)]
pub(crate) struct Client {
    pub http: reqwest::Client,
    pub url: String,
    pub token: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?} ({})", self.text, self.status))
    }

    /// The body, if the status is the one expected.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

impl Client {
    pub(crate) fn new(server: &Server, token: &str) -> Self {
        Self { http: reqwest::Client::new(), url: server.url.clone(), token: token.to_owned() }
    }

    /// Sends and reads the answer; an error of the connection is the caller's to judge.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.timeout(Duration::from_secs(30)).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    pub(crate) async fn send<'a>(&'a self, method: &'a str, path: &'a str, body: Option<&'a Value>) -> Answer {
        self.try_send(method, path, body).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(&body)).await
    }

    /// A registered runner: its id and its secret.
    pub(crate) async fn register(&self, max_sessions: u32) -> (String, String) {
        let body = json!({"machine_name": "vm", "directory": "/src", "branch": "main", "git_repo_url": null,
            "max_sessions": max_sessions, "metadata": {"worker_type": "claude_code"}});
        let answer = self.post("/v1/environments/bridge", body).await.expect(200);
        let text = |name: &str| answer[name].as_str().expect("text").to_owned();
        (text("environment_id"), text("environment_secret"))
    }

    /// A session in this environment.
    pub(crate) async fn session_in(&self, environment: &str) -> String {
        let body = json!({"title": "test", "events": [], "session_context": {"sources": [], "outcomes": []},
            "environment_id": environment, "source": "remote-control"});
        self.post("/v1/sessions", body).await.expect(200)["id"].as_str().expect("id").to_owned()
    }

    /// Every record of a session's stream from `after` on, page by page.
    pub(crate) async fn history(&self, session: &str, after: u64) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = after;
        loop {
            let page = self.get(&format!("/api/v1/sessions/{session}/events?after={next}&limit=500")).await.expect(200);
            let events = page["events"].as_array().expect("events").clone();
            if events.is_empty() {
                return all;
            }
            next = events[events.len() - 1]["sequence"].as_u64().expect("sequence");
            all.extend(events);
        }
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SseEvent {
    pub id: Option<u64>,
    pub event: Option<String>,
    pub data: String,
}

/// An open event stream.
pub(crate) struct Sse {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Sse {
    pub(crate) async fn open(client: &Client, path: &str) -> Result<Self, reqwest::Error> {
        let request = client.http.get(format!("{}{path}", client.url)).bearer_auth(&client.token);
        let response = request.header("accept", "text/event-stream").send().await?.error_for_status()?;
        Ok(Self { response, buffer: Vec::new() })
    }

    /// The next event; `None` when the stream ended or broke. Comments are passed over.
    pub(crate) async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&String::from_utf8(frame).expect("UTF-8")) {
                    return Some(event);
                }
                continue;
            }
            self.buffer.extend(self.response.chunk().await.ok()??);
        }
    }
}

fn parse(frame: &str) -> Option<SseEvent> {
    let mut event = SseEvent { id: None, event: None, data: String::new() };
    let mut any = false;
    for line in frame.lines() {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name {
            "id" => event.id = value.parse().ok(),
            "event" => event.event = Some(value.to_owned()),
            "data" => {
                any = true;
                event.data.push_str(value);
            }
            _ => {}
        }
    }
    any.then_some(event)
}

/// Runs `rcsctl` to its end.
pub(crate) fn rcsctl(arguments: &[&str], server: Option<(&str, &str)>) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcsctl"));
    command.env_clear().env("NO_COLOR", "1").args(arguments).stdin(Stdio::null());
    if let Some((url, key)) = server {
        command.env("RCS_SERVER", url).env("RCS_API_KEY", key);
    }
    let output = command.output().expect("rcsctl runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A path as text for a command line.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
