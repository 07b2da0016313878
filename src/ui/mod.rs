//! The roof: pages for people. The browser app, or where it was not built one plain page that says how.
//!
//! Sees the shared hall of the rooms and nothing else: what the app knows it asks of `/api/v1` like everybody.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};

use crate::api::common::{
    Call, House, Response,
    reply::{bytes_as, empty, json},
};

mod assets;

const PAGE: &str = include_str!("page.html");

/// Nothing runs but our own files, nothing is asked of another host, and nobody frames it. Content of agents is cleaned
/// before it is shown; this is what holds where that fails.
const APP_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Answers every path that no room has.
pub fn answer(_house: &House, call: &Call) -> Response {
    match call.segments().as_slice() {
        [] | ["code", ..] if call.method != Method::GET && call.method != Method::HEAD => {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        [] => to_the_app(),
        ["code"] if !call.path.ends_with('/') => to_the_app(),
        ["code", rest @ ..] => app(call, &rest.join("/")),
        _ => json(
            StatusCode::NOT_FOUND,
            &serde_json::json!({"error": {"type": "not_found_error", "message": "nothing is served under this path"}}),
        ),
    }
}

/// A service worker's scope ends with a slash, and so does the app's address.
fn to_the_app() -> Response {
    let mut response = empty(StatusCode::FOUND);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/code/"));
    response
}

/// A file of the app; every other path is a place within it, which its own script shows.
fn app(call: &Call, path: &str) -> Response {
    match assets::find(path).or_else(|| assets::find("index.html").filter(|_| !path.starts_with("assets/"))) {
        Some(asset) => guarded(asset.answer(call), APP_POLICY),
        None if assets::ASSETS.is_empty() => {
            let page = Bytes::from_static(PAGE.as_bytes());
            guarded(bytes_as(StatusCode::OK, "text/html; charset=utf-8", page), PAGE_POLICY)
        }
        // The app was renewed: a page that is open since before asks for files that are gone.
        None => guarded(empty(StatusCode::NOT_FOUND), PAGE_POLICY),
    }
}

fn guarded(mut response: Response, policy: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", HeaderValue::from_static("camera=(), geolocation=(), microphone=()"));
    response
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn asked(path: &str) -> Response {
        let headers = HeaderMap::new();
        let call =
            Call { method: Method::GET, path: path.into(), query: None, headers, peer: None, body: Bytes::new() };
        app(&call, path)
    }

    #[test]
    fn whatever_is_served_runs_nothing_of_others_and_is_framed_by_nobody() {
        for path in ["", "session_1", "login", "assets/gone.js", "index.html"] {
            let response = asked(path);
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
            assert!(!policy.contains("script-src 'unsafe") && !policy.contains("http"), "{path}: {policy}");
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[test]
    fn a_place_in_the_app_is_a_page_and_a_file_of_an_earlier_build_is_gone() {
        assert_eq!(asked("session_0190163d8694739b8d8a5b0e7a5f1c11").status(), StatusCode::OK);
        let gone = if assets::ASSETS.is_empty() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        assert_eq!(asked("assets/index-00000000.js").status(), gone);
        for asset in assets::ASSETS {
            assert!(asset.gzip.len() < asset.plain.len() + 64 && !asset.etag.is_empty(), "{}", asset.path);
        }
    }

    /// The sample scrolled sideways on a phone.
    #[test]
    fn the_sample_fits_a_phone() {
        let sample =
            PAGE.split_once("<pre><code>").and_then(|(_, rest)| rest.split_once("</code>")).expect("a sample").0;
        let longest = sample.lines().map(|line| line.chars().count()).max().expect("lines");
        // 390 px without the margins of the page (1 rem) and of the block (1 em of 0.8 rem); a character of a font of
        // one width is 0.6 em wide.
        assert!(longest * 77 <= (390 - 32) * 10 - 256, "{longest} characters");
        let style = PAGE.lines().find(|line| line.trim_start().starts_with("pre {")).expect("a style");
        assert!(style.contains("font-size: .8rem") && style.contains("white-space: pre-wrap"), "{style}");
    }
}
