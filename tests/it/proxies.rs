//! The proxies of `ops/`, as they are shipped, in front of a real rcsd: that streams flow, sockets open, polls wait,
//! bodies fit, addresses are believed of whom they should be, and a reload loses nothing.
//!
//! `make e2e` names the directory with the two programs; without it there is nothing to run. What is changed in the
//! shipped files is what they ask to be changed: names, addresses, and the certificate (tests have none, so no TLS).

use std::{
    fs,
    net::{IpAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest as _};

use crate::harness::{ALICE, Client, Server, Sse, free_port, text};

/// Below the keep-alives of event streams, which would push out what a proxy holds back.
const AT_ONCE: Duration = Duration::from_secs(12);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nginx,
    Caddy,
}

/// A proxy in front of a server. Dropping it kills it.
struct Proxy {
    child: Child,
    kind: Kind,
    program: PathBuf,
    directory: tempfile::TempDir,
    url: String,
    /// Where Caddy takes orders.
    admin: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        match self.kind {
            // It has children of its own, which end with a stop that is told.
            Kind::Nginx => {
                let pid = self.child.id().to_string();
                let _told = Command::new("kill").args(["-TERM", &pid]).status();
            }
            // It has none, and would wait for streams.
            Kind::Caddy => {
                let _killed = self.child.kill();
            }
        }
        let _ended = self.child.wait();
    }
}

impl Proxy {
    fn start(kind: Kind, programs: &Path, server: &Server) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (port, admin) = (free_port(), format!("127.0.0.1:{}", free_port()));
        let upstream = server.url.strip_prefix("http://").expect("plain");
        let program = programs.join(match kind {
            Kind::Nginx => "usr/sbin/nginx",
            Kind::Caddy => "usr/bin/caddy",
        });
        let config = directory.path().join("config");
        let written = match kind {
            Kind::Nginx => nginx(&shipped("nginx/rcs.conf"), port, upstream, directory.path()),
            Kind::Caddy => caddy(&shipped("caddy/Caddyfile"), port, upstream, &admin),
        };
        fs::write(&config, written).expect("written");
        let mut command = Command::new(&program);
        match kind {
            Kind::Nginx => command.args(["-p", text(directory.path()), "-c", text(&config), "-g", "daemon off;"]),
            Kind::Caddy => command.args(["run", "--adapter", "caddyfile", "--config", text(&config)]),
        };
        let log = fs::File::create(directory.path().join("log")).expect("a log");
        command.env("HOME", directory.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let proxy = Self { child, kind, program, directory, url: format!("http://127.0.0.1:{port}"), admin };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "{kind:?} did not start: {}", proxy.log());
            std::thread::yield_now();
        }
        proxy
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Reads its configuration again, and lets go of the old one.
    fn reload(&self) {
        let (directory, config) = (text(self.directory.path()), self.directory.path().join("config"));
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Nginx => command.args(["-p", directory, "-c", text(&config), "-s", "reload"]),
            Kind::Caddy => {
                let from = ["reload", "--force", "--adapter", "caddyfile", "--config", text(&config)];
                command.args(from).args(["--address", &self.admin])
            }
        };
        let output = command.env("HOME", self.directory.path()).output().expect("runs");
        assert!(output.status.success(), "{:?}: {}", self.kind, String::from_utf8_lossy(&output.stderr));
    }

    /// A client of the server that knows only the proxy; `from` is its address on this machine.
    fn client(&self, token: &str, from: [u8; 4]) -> Client {
        let http = reqwest::Client::builder().local_address(IpAddr::from(from)).build().expect("a client");
        Client { http, url: self.url.clone(), token: token.to_owned() }
    }
}

fn shipped(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Takes the place of something that must be there.
fn put(config: &str, old: &str, new: &str) -> String {
    assert!(config.contains(old), "{old:?} is not in {config}");
    config.replace(old, new)
}

fn nginx(config: &str, port: u16, upstream: &str, directory: &Path) -> String {
    let config = put(config, "127.0.0.1:3000", upstream);
    let config = put(&config, "listen 443 ssl;", &format!("listen 127.0.0.1:{port};"));
    let config: Vec<&str> = config.lines().filter(|line| !line.trim_start().starts_with("ssl_certificate")).collect();
    let path = |name: &str| format!("    {name}_temp_path {}/{name};", directory.display());
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(path).join("\n");
    // As root, workers would be somebody who may not write here.
    let user = if fs::metadata("/proc/self").is_ok_and(|found| owner(&found) == 0) { "user root;\n" } else { "" };
    format!(
        "{user}pid {0}/pid;\nerror_log stderr info;\nevents {{}}\nhttp {{\n    access_log off;\n{paths}\n{1}\n}}\n",
        directory.display(),
        config.join("\n")
    )
}

fn owner(found: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(found)
}

fn caddy(config: &str, port: u16, upstream: &str, admin: &str) -> String {
    let config = put(config, "127.0.0.1:3000", upstream);
    let config = put(&config, "\nrcs.example.org {", &format!("\nhttp://127.0.0.1:{port} {{"));
    format!("{{\n\tadmin {admin}\n}}\n{config}")
}

/// Runs `test` with each proxy in front of a server of its own.
async fn with_each(test: impl AsyncFn(&Server, &Proxy)) {
    let programs = std::env::var_os("RCS_PROXIES").map(PathBuf::from).expect("RCS_PROXIES says where they are");
    let programs = fs::canonicalize(&programs).unwrap_or_else(|error| panic!("{}: {error}", programs.display()));
    for kind in [Kind::Nginx, Kind::Caddy] {
        let server = Server::start_with(&[("RCS_TRUSTED_PROXIES", "127.0.0.1"), ("RCS_POLL_TIMEOUT", "3")]);
        let proxy = Proxy::start(kind, &programs, &server);
        test(&server, &proxy).await;
    }
}

async fn session(client: &Client) -> String {
    let made = client.post("/api/v1/sessions", json!({"title": "behind"})).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

async fn say(client: &Client, session: &str, text: &str) {
    client.post(&format!("/api/v1/sessions/{session}/messages"), json!({ "content": text })).await.expect(201);
}

/// The same through a proxy that may cut the connection: said again under its own id until it is acknowledged.
async fn say_surely(client: &Client, session: &str, number: u32) {
    let id = format!("aaaaaaaa-0000-4000-8000-{number:012}");
    let body = json!({"content": number.to_string(), "message_id": id});
    let path = format!("/api/v1/sessions/{session}/messages");
    let said = async {
        loop {
            match client.try_send("POST", &path, Some(&body)).await {
                Ok(answer) if answer.status < 300 => return,
                Ok(answer) => assert!(answer.status >= 500, "{answer:?}"),
                Err(_) => {}
            }
        }
    };
    timeout(AT_ONCE, said).await.expect("acknowledged at last");
}

/// The next event's words, at once.
async fn next(stream: &mut Sse, kind: Kind) -> (u64, String) {
    loop {
        let event = timeout(AT_ONCE, stream.next()).await.unwrap_or_else(|_| panic!("{kind:?} holds events back"));
        let event = event.unwrap_or_else(|| panic!("{kind:?} ended the stream"));
        let data: serde_json::Value = serde_json::from_str(&event.data).expect("JSON");
        if data["kind"] == "message_posted" {
            return (event.id.expect("an id"), data["payload"]["content"].as_str().expect("words").to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx and Caddy, which make e2e brings"]
async fn the_first_event_arrives_before_the_second_is_sent() {
    with_each(async |_, proxy| {
        let alice = proxy.client(ALICE, [127, 0, 0, 1]);
        let session = session(&alice).await;
        let mut stream = Sse::open(&alice, &format!("/api/v1/sessions/{session}/events")).await.expect("open");
        for word in ["one", "two"] {
            say(&alice, &session, word).await;
            assert_eq!(next(&mut stream, proxy.kind).await.1, word, "{:?}", proxy.kind);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx and Caddy, which make e2e brings"]
async fn sockets_are_upgraded() {
    with_each(async |_, proxy| {
        let alice = proxy.client(ALICE, [127, 0, 0, 1]);
        let session = session(&alice).await;
        let url = format!("{}/api/v1/sessions/{session}/socket", proxy.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("a request");
        request.headers_mut().insert("authorization", format!("Bearer {ALICE}").parse().expect("a header"));
        let opened = timeout(AT_ONCE, connect_async(request)).await.expect("at once");
        let (mut socket, _) = opened.unwrap_or_else(|error| panic!("{:?}: {error}", proxy.kind));
        for word in ["session_created", "one", "two"] {
            if word != "session_created" {
                say(&alice, &session, word).await;
            }
            let frame = loop {
                let frame = timeout(AT_ONCE, socket.next()).await.expect("at once").expect("open").expect("a frame");
                if frame.is_text() {
                    break frame;
                }
            };
            assert!(frame.to_text().expect("text").contains(word), "{:?}: {frame}", proxy.kind);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx and Caddy, which make e2e brings"]
async fn a_poll_waits_and_is_woken() {
    with_each(async |_, proxy| {
        let alice = proxy.client(ALICE, [127, 0, 0, 1]);
        let (environment, secret) = alice.register(1).await;
        let runner = proxy.client(&secret, [127, 0, 0, 1]);
        let path = format!("/v1/environments/{environment}/work/poll");
        let started = Instant::now();
        assert_eq!(runner.get(&path).await.status, 204, "{:?}", proxy.kind);
        assert!(started.elapsed() >= Duration::from_secs(2), "{:?} did not let it wait", proxy.kind);
        let polling = tokio::spawn(async move { runner.get(&path).await });
        let session = alice.session_in(&environment).await;
        let item = timeout(AT_ONCE, polling).await.expect("woken").expect("ran").expect(200);
        assert_eq!(item["data"]["id"].as_str().map(|id| id == session), Some(true), "{:?}: {item}", proxy.kind);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx and Caddy, which make e2e brings"]
async fn a_body_that_rcsd_takes_passes_and_a_larger_one_does_not() {
    with_each(async |_, proxy| {
        let alice = proxy.client(ALICE, [127, 0, 0, 1]);
        let upload = async |bytes: usize| {
            let request = alice.http.post(format!("{}/api/v1/files?name=x", alice.url)).bearer_auth(ALICE);
            request.body(vec![b'x'; bytes]).send().await.map(|answer| answer.status().as_u16())
        };
        let limit = rcs::domain::limits::BODY_BYTES_MAX;
        assert_eq!(upload(limit).await.expect("an answer"), 201, "{:?}", proxy.kind);
        // The proxy may hang up on a client that still sends.
        let larger = upload(limit + 1).await;
        assert!(larger.as_ref().map_or(true, |status| *status == 413), "{:?}: {larger:?}", proxy.kind);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx and Caddy, which make e2e brings"]
async fn everybody_has_an_address_of_their_own_and_nobody_chooses_it() {
    with_each(async |server, proxy| {
        let guess = async |from: [u8; 4], claims: String| {
            let client = proxy.client("guess", from);
            let request = client.http.get(format!("{}/api/v1/status", client.url)).bearer_auth("guess");
            request.header("x-forwarded-for", claims).send().await.expect("an answer").status().as_u16()
        };
        let mut was_throttled = false;
        for number in 0..40 {
            was_throttled |= guess([127, 0, 0, 2], format!("192.0.2.{number}")).await == 429;
        }
        assert!(was_throttled, "{:?}: a made-up address is believed", proxy.kind);
        let other = guess([127, 0, 0, 3], "127.0.0.2".into()).await;
        assert_eq!(other, 401, "{:?}: all clients have the proxy's address", proxy.kind);
        // Who comes through a proxy is not on this machine, whatever the address says.
        for claims in ["", "127.0.0.1"] {
            let client = proxy.client("", [127, 0, 0, 1]);
            let request = client.http.get(format!("{}/metrics", client.url)).header("x-forwarded-for", claims);
            assert_eq!(request.send().await.expect("an answer").status(), 401, "{:?} {claims}", proxy.kind);
        }
        assert_eq!(Client::new(server, "").get("/metrics").await.status, 200, "a scraper that comes directly");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx and Caddy, which make e2e brings"]
async fn a_reload_loses_no_event_and_repeats_none() {
    with_each(async |_, proxy| {
        let alice = proxy.client(ALICE, [127, 0, 0, 1]);
        let session = session(&alice).await;
        let path = format!("/api/v1/sessions/{session}/events");
        let mut stream = Sse::open(&alice, &path).await.expect("open");
        say(&alice, &session, "0").await;
        let (mut at, mut seen) = (0, Vec::new());
        let mut written = 1;
        while seen.len() < 30 {
            match timeout(AT_ONCE, stream.next()).await.unwrap_or_else(|_| panic!("{:?} is silent", proxy.kind)) {
                Some(event) => {
                    let data: serde_json::Value = serde_json::from_str(&event.data).expect("JSON");
                    at = event.id.expect("an id");
                    if data["kind"] != "message_posted" {
                        continue;
                    }
                    seen.push(data["payload"]["content"].as_str().expect("words").to_owned());
                    if seen.len() % 10 == 0 {
                        proxy.reload();
                    }
                    say_surely(&alice, &session, written).await;
                    written += 1;
                }
                // Cut off: a client comes back from where it was.
                None => stream = Sse::open(&alice, &format!("{path}?after={at}")).await.expect("open again"),
            }
        }
        assert_eq!(seen, (0..30).map(|number| number.to_string()).collect::<Vec<_>>(), "{:?}", proxy.kind);
    })
    .await;
}
