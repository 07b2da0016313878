//! What `/metrics` says over a real socket: every number that is declared is there, and counts what its words say.

use serde_json::json;

use rcs::telemetry::{METRICS, MetricKind};

use crate::harness::{ALICE, Client, Server, Sse};

/// The page's lines.
async fn page(server: &Server) -> Vec<String> {
    let text = Client::new(server, "").get("/metrics").await.text;
    text.lines().map(str::to_owned).collect()
}

/// The value of the series with exactly these labels.
#[track_caller]
fn value(page: &[String], series: &str) -> f64 {
    let found = page.iter().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{series} in {page:#?}")).parse().expect("a number")
}

/// Something of everything that is counted.
async fn busy() -> (Server, String, Sse) {
    let server = Server::start();
    let alice = Client::new(&server, ALICE);
    let made = alice.post("/api/v1/sessions", json!({"title": "x"})).await.expect(201);
    let session = made["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/sessions/{session}");
    let mut stream = Sse::open(&alice, &format!("{path}/events")).await.expect("open");
    stream.next().await.expect("an event");
    for _ in 0..10 {
        alice.post(&format!("{path}/messages"), json!({"content": "x"})).await.expect(201);
    }
    for _ in 0..10 {
        stream.next().await.expect("an event");
    }
    (server, session, stream)
}

#[tokio::test]
async fn every_metric_that_is_declared_is_on_the_page() {
    let (server, _, _stream) = busy().await;
    let page = page(&server).await;
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        };
        let typed = format!("# TYPE {} {kind}", metric.name);
        assert!(page.contains(&typed), "{} is declared and never recorded: {page:#?}", metric.name);
        assert!(page.iter().any(|line| line.starts_with(&format!("# HELP {} ", metric.name))), "{}", metric.name);
    }
}

#[tokio::test]
async fn requests_are_timed_by_room_and_class_and_streams_are_not() {
    let (server, session, _stream) = busy().await;
    let alice = Client::new(&server, ALICE);
    alice.get("/api/v1/sessions/nonsense").await.expect(404);
    let (environment, _) = alice.register(1).await;
    let odd = alice.http.request("BREW".parse().expect("a method"), format!("{}/api/v1/status", server.url));
    assert_eq!(odd.bearer_auth(ALICE).send().await.expect("an answer").status(), 405);
    let page = page(&server).await;
    let timed = |room: &str, method: &str, status: &str| {
        let labels = format!("room=\"{room}\",method=\"{method}\",status=\"{status}\"");
        value(&page, &format!("rcs_request_duration_seconds_count{{{labels}}}"))
    };
    assert!((timed("web", "write", "2xx") - 11.0).abs() < 0.1, "the session and ten messages");
    assert!((timed("web", "read", "4xx") - 1.0).abs() < 0.1);
    assert!((timed("web", "other", "4xx") - 1.0).abs() < 0.1);
    assert!((timed("bridge", "write", "2xx") - 1.0).abs() < 0.1);
    let streams = page.iter().filter(|line| line.contains("room=\"web\",method=\"read\",status=\"2xx\""));
    assert_eq!(streams.count(), 0, "the only such answer is a stream, which is counted and not timed");
    for id in [session.as_str(), environment.as_str(), ALICE, "BREW"] {
        assert!(page.iter().all(|line| !line.contains(id)), "{id} would make a series of its own");
    }
}

#[tokio::test]
async fn open_streams_their_lag_and_refusals_are_counted() {
    let (server, _, stream) = busy().await;
    let before = page(&server).await;
    assert!((value(&before, "rcs_streams_open{kind=\"sse\"}") - 1.0).abs() < 0.1);
    assert!(
        value(&before, "rcs_subscriber_lag_records_count") >= 2.0,
        "the session's first event, and some of the ten"
    );
    assert!(value(&before, "rcs_writer_refused_total").abs() < 0.1, "the queue was never full");
    drop(stream);
    let guess = Client::new(&server, "guess");
    let mut refused = 0_u32;
    for _ in 0..30 {
        refused += u32::from(guess.get("/api/v1/status").await.status == 429);
    }
    assert!(refused > 0);
    let mut after = page(&server).await;
    assert!((value(&after, "rcs_throttled_total{throttle=\"login\"}") - f64::from(refused)).abs() < 0.1);
    assert!(value(&after, "rcs_throttled_total{throttle=\"polls\"}").abs() < 0.1);
    // The server sees that nobody reads any more when it looks at the connection.
    while value(&after, "rcs_streams_open{kind=\"sse\"}") > 0.5 {
        after = page(&server).await;
    }
}
