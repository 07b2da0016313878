//! Pages in browsers: whose may call, and what their browsers want to hear about it.
//!
//! A request without `Origin` is no page's. One with it may change something, or open a socket, only from our own
//! origin or a configured one. Reading is left to the browser, which shows an answer to configured origins only.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{
    call::Call,
    house::Settings,
    reply::{Response, empty},
};

/// How long a browser remembers that it may call: browsers keep it no longer than ten minutes to two hours anyway.
const PREFLIGHT_SECONDS: &str = "600";

/// What a room lets pages ask and hear, as browsers want it said.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    pub methods: &'static str,
    pub request_headers: &'static str,
    pub response_headers: &'static str,
}

/// A page of this origin may not do this: 403.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pages of {0} may not call this server: add the origin to RCS_WEB_CORS_ORIGINS to let them")]
pub struct ForeignOrigin(pub String);

/// What our own pages say of themselves.
pub const APP_HEADER: &str = "rcs-app";

/// What a request with a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieUse {
    /// To read once.
    Read,
    /// To follow a stream.
    Follow,
    /// To change something, or to open a socket.
    Act,
}

/// Whose page a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// No page's: a program's.
    Absent,
    /// Our own page's.
    Own,
    /// A page's that the operator lets in.
    Configured(HeaderValue),
    Foreign(String),
}

impl Origin {
    pub fn of(settings: &Settings, call: &Call) -> Self {
        let Some(value) = call.headers.get(header::ORIGIN) else { return Self::Absent };
        let Ok(origin) = value.to_str() else { return Self::Foreign("an unreadable origin".into()) };
        if settings.cors_origins.iter().any(|allowed| same(allowed, origin)) {
            return Self::Configured(value.clone());
        }
        let host = call.header(header::HOST);
        let is_host = |(_, authority): (&str, &str)| host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
        if same(&settings.base_url, origin) || origin.split_once("://").is_some_and(is_host) {
            return Self::Own;
        }
        Self::Foreign(origin.chars().take(200).collect())
    }

    /// Whether a page of this origin may change something or open a socket.
    pub fn may_act(&self) -> Result<(), ForeignOrigin> {
        match self {
            Self::Absent | Self::Own | Self::Configured(_) => Ok(()),
            Self::Foreign(origin) => Err(ForeignOrigin(origin.clone())),
        }
    }

    /// Whether a request may be made with a browser's cookie, which the browser adds also where somebody else's page
    /// asks: only our own pages may, and what acts or streams has to show that it is theirs.
    pub fn may_use_cookie(&self, settings: &Settings, call: &Call, how: CookieUse) -> Result<(), ForeignOrigin> {
        let foreign = |whose: &str| Err(ForeignOrigin(whose.to_owned()));
        let site = call.header("sec-fetch-site");
        match self {
            Self::Foreign(origin) => foreign(origin),
            Self::Configured(origin) => foreign(origin.to_str().unwrap_or_default()),
            Self::Own => known_host(settings, call),
            Self::Absent if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) => foreign("another site"),
            Self::Absent => match how {
                CookieUse::Read => Ok(()),
                // Browsers name no origin when a page reads from its own. A header of ours says it as well: a foreign
                // page cannot add one without its browser asking first.
                CookieUse::Follow if site == Some("same-origin") || call.headers.contains_key(APP_HEADER) => {
                    known_host(settings, call)
                }
                CookieUse::Follow | CookieUse::Act => foreign("an unnamed origin"),
            },
        }
    }

    /// The answer to a browser that asks before it calls. What it may is said by [`mark`](Self::mark); without that, a
    /// page may nothing.
    pub fn preflight(&self, pages: &Pages) -> Response {
        let mut response = empty(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(pages.methods));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(pages.request_headers));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
        response
    }

    /// Tells the browser that a page of a configured origin may read the answer.
    pub fn mark(&self, headers: &mut HeaderMap, pages: &Pages) {
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Self::Configured(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(pages.response_headers));
        }
    }
}

/// Whether a method may change something.
pub fn acts(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the name under which we were called is one of ours. A foreign name that somebody's DNS points here would
/// make their pages ours; addresses and names without a domain cannot be pointed anywhere by others.
fn known_host(settings: &Settings, call: &Call) -> Result<(), ForeignOrigin> {
    let authority = call.header(header::HOST).unwrap_or_default();
    let is_address = authority.parse::<std::net::SocketAddr>().is_ok()
        || authority.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
    let is_local = !name.is_empty() && (!name.contains('.') || name.ends_with(".localhost"));
    let configured = std::iter::once(&settings.base_url).chain(&settings.cors_origins);
    let mut names = configured.filter_map(|url| url.split_once("://")).map(|(_, rest)| rest.split('/').next());
    if is_address || is_local || names.any(|known| known.is_some_and(|known| known.eq_ignore_ascii_case(authority))) {
        return Ok(());
    }
    Err(ForeignOrigin(format!("{authority:.200} (set RCS_BASE_URL if this is the name of this server)")))
}

/// Whether a URL is of this origin. A path behind it does not matter.
fn same(url: &str, origin: &str) -> bool {
    let end = url.find("://").map_or(0, |scheme| scheme + 3);
    let host_end = url[end..].find('/').map_or(url.len(), |slash| end + slash);
    url[..host_end].eq_ignore_ascii_case(origin)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn origin(origin: Option<&str>, host: &str) -> Origin {
        let settings = Settings {
            base_url: "https://rcs.example.com/base".into(),
            version: String::new(),
            poll_timeout: Duration::ZERO,
            sse_keepalive: Duration::ZERO,
            jwt_lifetime: Duration::ZERO,
            ws_keepalive: Duration::ZERO,
            ws_idle: Duration::ZERO,
            cors_origins: vec!["https://phone.example.com".into()],
            streams_anonymous: crate::security::AnonymousRights::default(),
            streams_poll: Duration::from_secs(1),
            streams_sse: Duration::from_mins(1),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header"));
        }
        let call =
            Call { method: Method::POST, path: "/".into(), query: None, headers, peer: None, body: Bytes::new() };
        Origin::of(&settings, &call)
    }

    #[test]
    fn programs_our_own_pages_and_configured_ones_may_act() {
        assert_eq!(origin(None, "127.0.0.1:3000"), Origin::Absent);
        assert_eq!(origin(Some("https://rcs.example.com"), "internal:3000"), Origin::Own);
        assert_eq!(origin(Some("http://127.0.0.1:3000"), "127.0.0.1:3000"), Origin::Own);
        assert!(matches!(origin(Some("https://PHONE.example.com"), "x"), Origin::Configured(_)));
        for foreign in ["null", "https://evil.example", "http://127.0.0.1:3001", "https://rcs.example.com.evil"] {
            let found = origin(Some(foreign), "127.0.0.1:3000");
            assert_eq!(found, Origin::Foreign(foreign.into()));
            assert!(found.may_act().is_err());
        }
    }
}
