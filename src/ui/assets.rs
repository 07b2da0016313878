//! The files of the browser app, as `make ui` left them: compressed at build time, so that serving one is a copy.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};

use crate::api::common::{
    Call, Response,
    reply::{bytes_as, empty},
};

/// A file in its three encodings.
#[derive(Debug)]
pub(super) struct Asset {
    /// Below `/code/`.
    pub(super) path: &'static str,
    pub(super) media_type: &'static str,
    /// Of the file as it is, the same for all encodings but for a mark.
    pub(super) etag: &'static str,
    /// Its name has a digest in it: it never means anything else.
    pub(super) immutable: bool,
    pub(super) plain: &'static [u8],
    pub(super) gzip: &'static [u8],
    pub(super) brotli: &'static [u8],
}

#[cfg(rcs_app)]
pub(super) const ASSETS: &[Asset] = include!("dist/embedded.in");
/// Not built.
#[cfg(not(rcs_app))]
pub(super) const ASSETS: &[Asset] = &[];

/// The file under this path.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    /// The file in the smallest form that the caller reads, or the news that they have it.
    pub(super) fn answer(&self, call: &Call) -> Response {
        let accepted = call.header(header::ACCEPT_ENCODING).unwrap_or_default();
        let (bytes, encoding, mark) = if accepts(accepted, "br") {
            (self.brotli, Some("br"), "-br")
        } else if accepts(accepted, "gzip") {
            (self.gzip, Some("gzip"), "-gz")
        } else {
            (self.plain, None, "")
        };
        // Other bytes are another representation, and a strong tag names one.
        let etag = format!("\"{}{mark}\"", self.etag);
        let known = call.header(header::IF_NONE_MATCH).unwrap_or_default();
        let mut response = if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag) {
            empty(StatusCode::NOT_MODIFIED)
        } else if call.method == Method::HEAD {
            bytes_as(StatusCode::OK, self.media_type, Bytes::new())
        } else {
            bytes_as(StatusCode::OK, self.media_type, Bytes::from_static(bytes))
        };
        let caching = if self.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(encoding) = encoding.filter(|_| response.status() == StatusCode::OK) {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// Whether an `Accept-Encoding` takes this one. A weight of nothing refuses it.
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        named && !parts.any(|weight| matches!(weight.replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const ASSET: Asset = Asset {
        path: "assets/x.js",
        media_type: "text/javascript; charset=utf-8",
        etag: "abc",
        immutable: true,
        plain: b"plain",
        gzip: b"gzip",
        brotli: b"brotli",
    };

    fn asked(name: header::HeaderName, value: &'static str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        let path = "/code/assets/x.js".into();
        ASSET.answer(&Call { method: Method::GET, path, query: None, headers, peer: None, body: Bytes::new() })
    }

    fn shown<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
    }

    #[test]
    fn everybody_gets_the_smallest_form_that_they_read() {
        for (accepted, encoding, etag) in [
            ("gzip, deflate, br, zstd", "br", "\"abc-br\""),
            ("gzip;q=1.0, br;q=0", "gzip", "\"abc-gz\""),
            ("GZIP", "gzip", "\"abc-gz\""),
            ("identity", "", "\"abc\""),
            ("brotli", "", "\"abc\""),
        ] {
            let response = asked(header::ACCEPT_ENCODING, accepted);
            let told = (shown(&response, "content-encoding"), shown(&response, "etag"));
            assert_eq!(told, (encoding, etag), "{accepted}");
            assert_eq!(shown(&response, "vary"), "accept-encoding");
            assert!(shown(&response, "cache-control").contains("immutable"));
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let have = |tag| asked(header::IF_NONE_MATCH, tag).status();
        assert_eq!(have("\"abc\""), StatusCode::NOT_MODIFIED);
        assert_eq!(have("\"other\", W/\"abc\""), StatusCode::NOT_MODIFIED);
        assert_eq!(have("\"abc-br\""), StatusCode::OK, "another encoding is other bytes");
    }
}
