//! The roof: pages for people. Until the browser app is built, one plain page that says where to go.
//!
//! Sees the shared hall of the rooms and nothing else.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};

use crate::api::common::{
    Call, House, Response,
    reply::{bytes_as, empty, json},
};

const PAGE: &str = include_str!("page.html");

/// Answers every path that no room has.
pub fn answer(_house: &House, call: &Call) -> Response {
    match call.segments().as_slice() {
        [] | ["code", ..] if call.method == Method::GET || call.method == Method::HEAD => page(),
        [] | ["code", ..] => {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        _ => json(
            StatusCode::NOT_FOUND,
            &serde_json::json!({"error": {"type": "not_found_error", "message": "nothing is served under this path"}}),
        ),
    }
}

fn page() -> Response {
    let mut response = bytes_as(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample scrolled sideways on a phone.
    #[test]
    fn the_sample_fits_a_phone() {
        let sample =
            PAGE.split_once("<pre><code>").and_then(|(_, rest)| rest.split_once("</code>")).expect("a sample").0;
        let longest = sample.lines().map(|line| line.chars().count()).max().expect("lines");
        // 390 px without the margins of the page (1 rem) and of the block (1 em of 0.8 rem); a character of a fixed-width
        // font is 0.6 em wide.
        assert!(longest * 77 <= (390 - 32) * 10 - 256, "{longest} characters");
        let style = PAGE.lines().find(|line| line.trim_start().starts_with("pre {")).expect("a style");
        assert!(style.contains("font-size: .8rem") && style.contains("white-space: pre-wrap"), "{style}");
    }
}
