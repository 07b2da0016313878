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
