//! Who may: roles, namespaces, callers without a credential, pages in browsers.

use std::fmt::Write as _;

use super::{ADMIN, ALICE, Bench, MALLORY, RUNNER, TEXT, VIEWER};

#[tokio::test]
async fn the_roles_and_what_each_is_told() {
    let bench = Bench::open().await;
    let mut page = String::new();
    for (who, key) in [("member", ALICE), ("runner", RUNNER), ("viewer", VIEWER), ("nobody", "")] {
        let mut line = format!("{who:<8}");
        for (method, body) in [("PUT", ""), ("POST", "x"), ("GET", ""), ("HEAD", ""), ("DELETE", "")] {
            bench.put("/v1/stream/a", &[TEXT], "").await;
            let status = bench.send(method, "/v1/stream/a", key, &[TEXT], body).await.status.as_u16();
            write!(line, " {method} {status}").expect("a string takes everything");
        }
        page.push_str(&line);
        page.push('\n');
    }
    insta::assert_snapshot!(page, @"
    member   PUT 200 POST 204 GET 200 HEAD 200 DELETE 204
    runner   PUT 403 POST 204 GET 200 HEAD 200 DELETE 403
    viewer   PUT 403 POST 403 GET 200 HEAD 200 DELETE 403
    nobody   PUT 401 POST 401 GET 401 HEAD 401 DELETE 401
    ");
}

#[tokio::test]
async fn a_name_is_its_owners_own() {
    let bench = Bench::open().await;
    bench.put("/v1/stream/a", &[TEXT], "alice").await.expect(201);
    bench.send("GET", "/v1/stream/a", MALLORY, &[], "").await.expect(404);
    bench.send("PUT", "/v1/stream/a", MALLORY, &[TEXT], "mallory").await.expect(201);
    assert_eq!(bench.get("/v1/stream/a").await.text(), "alice");
    // Forks do not reach over.
    bench.put("/v1/stream/only-alice", &[TEXT], "x").await.expect(201);
    let fork = [("stream-forked-from", "/v1/stream/only-alice")];
    bench.send("PUT", "/v1/stream/b", MALLORY, &fork, "").await.expect(404);

    let alice = "?namespace=owner_00000000000000000000000000000001";
    bench.send("GET", &format!("/v1/stream/a{alice}"), MALLORY, &[], "").await.expect(404);
    assert_eq!(bench.send("GET", &format!("/v1/stream/a{alice}"), ADMIN, &[], "").await.text(), "alice");
    assert_eq!(bench.get(&format!("/v1/stream/a{alice}")).await.text(), "alice");
    bench.send("GET", "/v1/stream/a?namespace=me", ADMIN, &[], "").await.expect(400);
}

#[tokio::test]
async fn callers_without_a_credential_have_what_was_configured_in_a_namespace_of_their_own() {
    let bench = Bench::with(|settings| settings.streams_anonymous = "read,append".parse().expect("rights")).await;
    bench.send("PUT", "/v1/stream/a", "", &[TEXT], "").await.expect(401);
    bench.put("/v1/stream/a", &[TEXT], "alice").await.expect(201);
    bench.send("GET", "/v1/stream/a", "", &[], "").await.expect(404);
    bench.send("PUT", "/v1/stream/a?namespace=anonymous", ADMIN, &[TEXT], "all").await.expect(201);
    bench.send("POST", "/v1/stream/a", "", &[TEXT], "!").await.expect(204);
    let read = bench.send("GET", "/v1/stream/a", "", &[], "").await.expect(200);
    assert_eq!(read.text(), "all!");
    assert!(read.header("cache-control").starts_with("public"));
    bench.send("DELETE", "/v1/stream/a", "", &[], "").await.expect(401);
    // A credential that is none is not taken for none.
    bench.send("GET", "/v1/stream/a", "not-a-key", &[], "").await.expect(401);
}

#[tokio::test]
async fn pages_of_others_cannot_use_what_anybody_may() {
    let bench =
        Bench::with(|settings| settings.streams_anonymous = "read,append,create".parse().expect("rights")).await;
    let evil = ("origin", "https://evil.test");
    bench.send("PUT", "/v1/stream/a", "", &[TEXT, evil], "").await.expect(403);
    bench.send("PUT", "/v1/stream/a", "", &[TEXT], "").await.expect(201);
    bench.send("POST", "/v1/stream/a", "", &[TEXT, evil], "x").await.expect(403);
    let read = bench.send("GET", "/v1/stream/a", "", &[evil], "").await.expect(200);
    assert_eq!(read.header("access-control-allow-origin"), "", "its browser shows the page nothing");
    let asked = [evil, ("access-control-request-method", "GET")];
    let preflight = bench.send("OPTIONS", "/v1/stream/a", "", &asked, "").await.expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), "");

    let phone = ("origin", "https://phone.test");
    let preflight = bench.send("OPTIONS", "/v1/stream/a", "", &[phone], "").await.expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), "https://phone.test");
    assert!(preflight.header("access-control-allow-headers").contains("if-none-match"));
    let written = bench.send("POST", "/v1/stream/a", "", &[TEXT, phone], "x").await.expect(204);
    assert!(written.header("access-control-expose-headers").contains("stream-next-offset"));
    for name in ["x-content-type-options", "cross-origin-resource-policy", "content-security-policy"] {
        assert_ne!(written.header(name), "", "{name}");
    }
}
