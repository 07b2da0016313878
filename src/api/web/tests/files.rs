//! Stored files are read back by whose they are, and never act under our origin.

use serde_json::Value;

use super::bench::{ADMIN, ALICE, Bench, MALLORY, RUNNER};

#[tokio::test]
async fn a_file_is_read_back_as_a_download_that_does_nothing() {
    let bench = Bench::open().await;
    let html = "<script>alert(1)</script>".repeat(20_000);
    let headers = [("content-type", "text/html")];
    let stored =
        bench.raw("POST", "/api/v1/files?name=n%C3%B6te.html", ALICE, &headers, html.clone()).await.expect(201);
    let path = format!("/api/v1/files/{}", stored["id"].as_str().expect("an id"));
    for token in [ALICE, ADMIN] {
        let file = bench.get(&path, token).await;
        assert_eq!((file.status.as_u16(), file.body.as_ref()), (200, html.as_bytes()));
        assert_eq!(file.header("content-type"), "text/html");
        assert_eq!(file.header("content-length"), html.len().to_string());
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(file.header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!(file.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(file.header("cache-control"), "no-store");
        assert_eq!(
            file.header("content-disposition"),
            "attachment; filename=\"n_te.html\"; filename*=UTF-8''n%C3%B6te.html"
        );
    }
}

#[tokio::test]
async fn a_file_of_others_is_not_there_and_says_the_same_as_one_that_never_was() {
    let bench = Bench::open().await;
    let stored = bench.raw("POST", "/api/v1/files?name=plan.txt", ALICE, &[], "secret plan").await.expect(201);
    let id = stored["id"].as_str().expect("an id");
    let path = format!("/api/v1/files/{id}");
    let never = "file_00000000000000000000000000000009";
    let theirs = bench.get(&path, MALLORY).await.problem(404, "not-found")["detail"].to_string();
    let none = bench.get(&format!("/api/v1/files/{never}"), MALLORY).await.problem(404, "not-found");
    assert_eq!(theirs.replace(id, never), none["detail"].to_string());
    bench.get(&path, "").await.problem(401, "unauthenticated");
    bench.get(&path, RUNNER).await.problem(403, "forbidden");
    bench.get("/api/v1/files/file_1", ALICE).await.problem(404, "not-found");
    let refused = bench.send("DELETE", &path, ALICE, Value::Null).await;
    assert_eq!(refused.header("allow"), "GET");
    refused.problem(405, "method-not-allowed");
}
