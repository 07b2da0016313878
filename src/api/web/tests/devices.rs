//! Browsers: how they get in, what other sites cannot do with their cookie, and how they are put out.

use http::StatusCode;
use serde_json::{Value, json};

use super::bench::{ADMIN, ALICE, Answer, Bench, MALLORY, RUNNER, VIEWER, read};
use crate::domain::limits::{DEVICE_IDLE_MS, LOGIN_LINK_MS};

const OWN: &str = "http://rcs.test";

/// A browser that keeps its cookie.
struct Browser<'a> {
    bench: &'a Bench,
    cookie: String,
}

/// The secret in a link's fragment.
fn secret(link: &Value) -> String {
    link["url"].as_str().expect("a link").rsplit_once('#').expect("a fragment").1.to_owned()
}

async fn link(bench: &Bench, key: &str) -> String {
    secret(&bench.post("/api/v1/login-links", key, Value::Null).await.expect(201))
}

async fn show(bench: &Bench, body: Value) -> Answer {
    bench.raw("POST", "/api/v1/login", "", &[("origin", OWN), ("host", "rcs.test")], body.to_string()).await
}

async fn enter(bench: &Bench, body: Value) -> Browser<'_> {
    let answer = show(bench, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    let set = answer.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/api/v1", "Max-Age="] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "a plain page could not keep it");
    Browser { bench, cookie: set.split(';').next().expect("a cookie").to_owned() }
}

impl Browser<'_> {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("cookie", self.cookie.as_str()), ("host", "rcs.test")];
        all.extend_from_slice(headers);
        self.bench.raw(method, path, "", &all, body.to_owned()).await
    }

    /// As a page of ours asks.
    async fn own(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, path, &[("origin", OWN)], body).await
    }

    async fn status(&self) -> StatusCode {
        self.own("GET", "/api/v1/me", "").await.status
    }
}

#[tokio::test]
async fn a_link_lets_one_browser_in_once() {
    let bench = Bench::open().await;
    let link = link(&bench, ALICE).await;
    let browser = enter(&bench, json!({"link": link, "name": "phone"})).await;
    let me = browser.own("GET", "/api/v1/me", "").await.expect(200);
    assert_eq!((me["key_name"].as_str(), me["device"]["name"].as_str()), (Some("alice"), Some("phone")));
    show(&bench, json!({ "link": link })).await.problem(401, "unauthenticated");
    // What it does is known to be the browser's.
    browser.own("POST", "/api/v1/sessions", r#"{"title":"mine"}"#).await.expect(201);
    let listed = browser.own("GET", "/api/v1/sessions", "").await.expect(200);
    let id = listed["items"][0]["id"].as_str().expect("a session").to_owned();
    let events = bench.get(&format!("/api/v1/sessions/{id}/events"), ALICE).await.expect(200);
    assert_eq!(events["events"][0]["by"], json!({"type": "device", "id": me["device"]["id"]}));
}

#[tokio::test]
async fn two_browsers_that_show_one_link_at_once_are_not_both_let_in() {
    let bench = Bench::open().await;
    let body = json!({"link": link(&bench, ALICE).await});
    let answers = tokio::join!(show(&bench, body.clone()), show(&bench, body.clone()), show(&bench, body));
    let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16(), answers.2.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401]);
}

#[tokio::test]
async fn a_link_ends_with_its_time_and_with_its_key() {
    let bench = Bench::open().await;
    let late = link(&bench, ALICE).await;
    bench.pass(LOGIN_LINK_MS);
    show(&bench, json!({ "link": late })).await.problem(401, "unauthenticated");

    let made = bench.post("/api/v1/keys", ALICE, json!({"name": "lost"})).await.expect(201);
    let lost = link(&bench, made["secret"].as_str().expect("a key")).await;
    let browser = enter(&bench, json!({"link": link(&bench, made["secret"].as_str().expect("a key")).await})).await;
    let path = format!("/api/v1/keys/{}", made["key"]["id"].as_str().expect("an id"));
    bench.send("DELETE", &path, ALICE, Value::Null).await.expect(204);
    assert_eq!(show(&bench, json!({ "link": lost })).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.status().await, StatusCode::UNAUTHORIZED, "a browser is worth what its key is worth");
    let listed = bench.get("/api/v1/devices", ALICE).await.expect(200);
    assert!(listed["items"][0]["signed_out_at"].is_string(), "and it is not listed as if it were in: {listed}");
    show(&bench, json!({"link": "rcsl_guess"})).await.problem(401, "unauthenticated");
    show(&bench, json!({})).await.problem(400, "bad-request");
}

#[tokio::test]
async fn a_key_lets_a_browser_in_if_people_use_it() {
    let bench = Bench::open().await;
    let viewer = enter(&bench, json!({ "key": VIEWER })).await;
    viewer.own("POST", "/api/v1/sessions", "{}").await.problem(403, "forbidden");
    viewer.own("GET", "/api/v1/sessions", "").await.expect(200);
    show(&bench, json!({ "key": RUNNER })).await.problem(403, "forbidden");
    show(&bench, json!({"key": "guess"})).await.problem(401, "unauthenticated");
    // The cookie is for browsers: it is no bearer token, and no key's name is in it.
    let secret = viewer.cookie.split_once('=').expect("a cookie").1;
    assert_eq!(bench.get("/api/v1/me", secret).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn other_sites_do_nothing_with_a_browsers_cookie() {
    let bench = Bench::open().await;
    let browser = enter(&bench, json!({ "key": ALICE })).await;
    let id = bench.session("mine").await;
    let (archive, events) =
        (format!("/api/v1/sessions/{id}/archive"), format!("/api/v1/sessions/{id}/events?stream=sse"));
    let before = bench.house.relay.journal().tail();
    for headers in [
        &[][..],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
        &[("origin", "https://phone.test")],
        &[("origin", "http://rcs.test:81")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", OWN), ("host", "rebound.evil.test")],
    ] {
        browser.ask("POST", &archive, headers, "").await.problem(403, "foreign-origin");
        browser.ask("POST", "/api/v1/login-links", headers, "").await.problem(403, "foreign-origin");
        for stream in [events.as_str(), "/api/v1/overview"] {
            browser.ask("GET", stream, headers, "").await.problem(403, "foreign-origin");
        }
    }
    for headers in [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")] {
        browser.ask("GET", "/api/v1/sessions", &[headers], "").await.problem(403, "foreign-origin");
    }
    assert_eq!(bench.house.relay.journal().tail(), before, "nothing happened");
    for headers in [("sec-fetch-site", "same-origin"), ("rcs-app", "1"), ("origin", OWN)] {
        let all = [("cookie", browser.cookie.as_str()), ("host", "rcs.test"), headers];
        assert_eq!(bench.call("GET", &events, "", &all, "").await.status(), StatusCode::OK, "{headers:?}");
    }
    browser.own("POST", &archive, "").await.expect(200);
    // A name that leads here and is not ours is told so before anybody is let in.
    let rebound = [("origin", "http://rebound.test"), ("host", "rebound.test")];
    let problem = bench.raw("POST", "/api/v1/login", "", &rebound, json!({ "key": ALICE }).to_string()).await;
    assert!(problem.problem(403, "foreign-origin")["detail"].to_string().contains("RCS_BASE_URL"));
    // Nor do they sign somebody in as themselves.
    let body = json!({ "key": MALLORY }).to_string();
    bench
        .raw("POST", "/api/v1/login", "", &[("origin", "https://evil.test")], body)
        .await
        .problem(403, "foreign-origin");
}

#[tokio::test]
async fn browsers_are_listed_and_put_out_one_by_one_or_all_at_once() {
    let bench = Bench::open().await;
    let (phone, laptop) = (enter(&bench, json!({ "key": ALICE })).await, enter(&bench, json!({ "key": ALICE })).await);
    let mallory = enter(&bench, json!({ "key": MALLORY })).await;
    let listed = laptop.own("GET", "/api/v1/devices", "").await.expect(200);
    let items = listed["items"].as_array().expect("items").clone();
    assert_eq!(items.len(), 2);
    let other = items.iter().find(|item| item["current"] == false).expect("the phone");
    let path = format!("/api/v1/devices/{}", other["id"].as_str().expect("an id"));
    mallory.own("DELETE", &path, "").await.problem(404, "not-found");
    assert_eq!(phone.status().await, StatusCode::OK);
    laptop.own("DELETE", &path, "").await.expect(204);
    laptop.own("DELETE", &path, "").await.expect(204);
    assert_eq!((phone.status().await, laptop.status().await), (StatusCode::UNAUTHORIZED, StatusCode::OK));

    let viewer = enter(&bench, json!({ "key": VIEWER })).await;
    viewer.own("DELETE", "/api/v1/devices", "").await.expect(204);
    assert_eq!((viewer.status().await, laptop.status().await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let tablet = enter(&bench, json!({ "key": ALICE })).await;
    let gone = tablet.own("DELETE", "/api/v1/devices", "").await;
    assert!(gone.header("set-cookie").contains("Max-Age=0"));
    assert_eq!((tablet.status().await, laptop.status().await), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    assert_eq!(mallory.status().await, StatusCode::OK, "other people's are none of theirs");
    mallory.own("POST", "/api/v1/logout", "").await.expect(204);
    assert_eq!(mallory.status().await, StatusCode::UNAUTHORIZED);
    bench.post("/api/v1/logout", ALICE, Value::Null).await.problem(400, "bad-request");
}

#[tokio::test]
async fn a_browser_is_called_what_its_people_call_it() {
    let bench = Bench::open().await;
    let (phone, laptop) = (enter(&bench, json!({ "key": ALICE })).await, enter(&bench, json!({ "key": ALICE })).await);
    let mallory = enter(&bench, json!({ "key": MALLORY })).await;
    let me = phone.own("GET", "/api/v1/me", "").await.expect(200);
    let path = format!("/api/v1/devices/{}", me["device"]["id"].as_str().expect("an id"));
    let named = laptop.own("PATCH", &path, r#"{"name":" Kitchen tablet "}"#).await.expect(200);
    assert_eq!((named["name"].as_str(), named["current"].as_bool()), (Some("Kitchen tablet"), Some(false)));
    assert_eq!(phone.own("GET", "/api/v1/me", "").await.expect(200)["device"]["name"], "Kitchen tablet");
    let before = bench.house.relay.journal().tail();
    laptop.own("PATCH", &path, r#"{"name":"Kitchen tablet"}"#).await.expect(200);
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": "  "}), "name"),
        (json!({"name": "a\u{7}b"}), "name"),
        (json!({"name": "x".repeat(257)}), "name"),
        (json!({"name": "x", "key": "y"}), "key"),
    ] {
        let problem = phone.own("PATCH", &path, &body.to_string()).await.problem(400, "bad-request");
        assert_eq!(problem["field"], field, "{body}");
    }
    mallory.own("PATCH", &path, r#"{"name":"mine"}"#).await.problem(404, "not-found");
    bench.raw("PATCH", &path, "", &[], r#"{"name":"x"}"#).await.problem(401, "unauthenticated");
    bench.raw("PATCH", &path, RUNNER, &[], r#"{"name":"x"}"#).await.problem(403, "forbidden");
    phone
        .ask("PATCH", &path, &[("origin", "https://evil.test")], r#"{"name":"x"}"#)
        .await
        .problem(403, "foreign-origin");
    // A key that only looks names what acts for it, and nobody else's.
    let viewer = enter(&bench, json!({ "key": VIEWER })).await;
    viewer.own("PATCH", &path, r#"{"name":"x"}"#).await.problem(404, "not-found");
    assert_eq!(bench.house.relay.journal().tail().0, before.0 + 1, "the viewer came in, and nothing else happened");
    laptop.own("DELETE", &path, "").await.expect(204);
    laptop.own("PATCH", &path, r#"{"name":"x"}"#).await.problem(404, "not-found");
    let listed = laptop.own("GET", "/api/v1/devices", "").await.expect(200);
    assert!(listed.to_string().contains("Kitchen tablet"), "what is gone keeps its name: {listed}");
}

#[tokio::test]
async fn a_browser_that_is_used_stays_and_one_that_is_not_goes() {
    let bench = Bench::open().await;
    let (used, forgotten) =
        (enter(&bench, json!({ "key": ALICE })).await, enter(&bench, json!({ "key": ALICE })).await);
    bench.pass(DEVICE_IDLE_MS - 1);
    assert_eq!(used.status().await, StatusCode::OK);
    // Noted beside the request; the next commit comes after it.
    tokio::task::yield_now().await;
    bench.session("later").await;
    bench.pass(1);
    assert_eq!((used.status().await, forgotten.status().await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn the_overview_shows_what_is_and_then_what_changes_and_nobody_elses() {
    let bench = Bench::open().await;
    let id = bench.session("first").await;
    let secret = bench.post("/api/v1/sessions", MALLORY, json!({"title": "secret"})).await.expect(201);
    let mut stream = super::bench::Stream::of(bench.call("GET", "/api/v1/overview", ALICE, &[], "").await);
    let first = overview(&mut stream).await;
    assert_eq!((first["whole"].as_bool(), first["sessions"].as_array().map(Vec::len)), (Some(true), Some(1)));
    bench.ask(id, "ask-1", "Bash", json!({"command": "ls"})).await;
    let next = overview(&mut stream).await;
    assert_eq!((next["whole"].as_bool(), next["sessions"][0]["status"].as_str()), (Some(false), Some("waiting")));
    bench.post(&format!("/api/v1/sessions/{id}/archive"), ALICE, Value::Null).await.expect(200);
    assert_eq!(overview(&mut stream).await["sessions"][0]["status"], "archived");
    let whole = read(bench.call("GET", "/api/v1/sessions", ADMIN, &[], "").await).await.expect(200);
    assert!(whole.to_string().contains(secret["id"].as_str().expect("an id")), "it is there, for those who may");
}

async fn overview(stream: &mut super::bench::Stream) -> Value {
    let frame = stream.frame().await.expect("a frame");
    let data = frame.strip_prefix("event: overview\ndata: ").unwrap_or_else(|| panic!("{frame}"));
    serde_json::from_str(data).expect("JSON")
}
