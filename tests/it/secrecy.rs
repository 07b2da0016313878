//! What never leaves the server by the side door: words and credentials, in logs, URLs and headers.

use serde_json::json;

use crate::harness::{ALICE, Client, Server, Sse};

/// S7: request bodies and messages were logged at level info, and who somebody is stood in the query string, where logs
/// and `Referer` headers carry it on.
#[tokio::test]
async fn s7_no_log_line_has_words_or_credentials_and_no_url_is_one() {
    let mut server = Server::start();
    server.log = Some(server.data.join("../log"));
    server.set("RCS_LOG", "trace");
    server.kill_and_restart();
    let (alice, admin) = (Client::new(&server, ALICE), server.admin_key());
    let made = alice.post("/api/v1/sessions", json!({"title": "TITLE-MARK"})).await.expect(201);
    let session = made["id"].as_str().expect("an id");
    let said = alice.post(&format!("/api/v1/sessions/{session}/messages"), json!({"content": "WORDS-MARK"})).await;
    said.expect(201);
    alice.post(&format!("/api/v1/sessions/{session}/messages"), json!({"content": 7, "x": "BROKEN-MARK"})).await;
    let (environment, secret) = alice.register(1).await;
    let worked = alice.session_in(&environment).await;
    Client::new(&server, &secret).get(&format!("/v1/environments/{environment}/work/poll")).await.expect(200);
    Client::new(&server, "GUESS-MARK").get("/api/v1/sessions").await.expect(401);
    let mut stream = Sse::open(&alice, &format!("/api/v1/sessions/{session}/events")).await.expect("open");
    stream.next().await.expect("an event");
    Client::new(&server, &admin).get("/api/v1/keys").await.expect(200);

    // A credential in a URL opens nothing, wherever the stock server took one.
    let nobody = Client::new(&server, "");
    for path in [
        format!("/web/sessions?uuid={ALICE}"),
        format!("/web/sessions/{session}/events?uuid={ALICE}&token={ALICE}"),
        format!("/api/v1/sessions?api_key={ALICE}&access_token={admin}&q=QUERY-MARK"),
        format!("/v1/environments/{environment}/work/poll?token={secret}"),
        format!("/v2/session_ingress/session/{worked}/events?token={secret}"),
    ] {
        let asked = nobody.http.get(format!("{}{path}", server.url)).send().await.expect("an answer");
        assert!(matches!(asked.status().as_u16(), 401 | 405), "{path}: {}", asked.status());
    }
    let page = nobody.http.get(format!("{}/code", server.url)).send().await.expect("a page");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");

    assert!(server.stop().success());
    let log = std::fs::read_to_string(server.log.as_ref().expect("set")).expect("a log");
    assert!(log.contains("answered") && log.contains(session), "it does log: {log}");
    for mark in ["TITLE-MARK", "WORDS-MARK", "BROKEN-MARK", "GUESS-MARK", "QUERY-MARK", ALICE, &admin, &secret] {
        let line = log.lines().find(|line| line.contains(mark));
        assert_eq!(line, None, "{mark} is in the log");
    }
}
