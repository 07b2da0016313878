//! Pages in browsers: what their browsers want to hear about whose may call. Reading is left to the browser, which shows
//! an answer to configured origins only.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::error::Failure;
use crate::{
    api::common::{
        Response,
        origin::{ForeignOrigin, Origin},
        reply::empty,
    },
    wire::web::ProblemKind,
};

/// How long a browser remembers that it may call: browsers keep it no longer than ten minutes to two hours anyway.
const PREFLIGHT_SECONDS: &str = "600";
const METHODS: &str = "GET, POST, PATCH, DELETE";
const REQUEST_HEADERS: &str = "authorization, content-type, idempotency-key, last-event-id, x-request-id";
const RESPONSE_HEADERS: &str = "rcs-epoch, retry-after, x-request-id";

impl From<ForeignOrigin> for Failure {
    fn from(error: ForeignOrigin) -> Self {
        Self::new(ProblemKind::ForeignOrigin, error.to_string())
    }
}

/// What browsers ask of a server, and are told.
pub(super) trait Cors {
    /// The answer to a browser that asks before it calls.
    fn preflight(&self) -> Result<Response, Failure>;
    /// Tells the browser that a page of a configured origin may read the answer.
    fn mark(&self, headers: &mut HeaderMap);
}

impl Cors for Origin {
    fn preflight(&self) -> Result<Response, Failure> {
        self.may_act()?;
        let mut response = empty(StatusCode::NO_CONTENT);
        if let Self::Configured(_) = self {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
        }
        Ok(response)
    }

    fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Self::Configured(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
        }
    }
}

/// Whether a method may change something.
pub(super) fn acts(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
