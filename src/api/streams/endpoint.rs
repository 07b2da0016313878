//! What can be asked of this room, and what each question needs.
//!
//! Everything after `/v1/stream/` is the name of a stream, slashes and all, but for two first segments: `__ds` is the
//! protocol's own and `sessions` is ours. May not know what is answered.

use std::borrow::Cow;

use http::Method;

use super::subscriptions;
use crate::{
    domain::{SessionId, limits},
    security::Grant,
};

/// Where the room begins.
pub const ROOT: &str = "/v1/stream/";

/// A question. Names are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// A browser asks whether its page may ask.
    Preflight,
    Create(Cow<'a, str>),
    Append(Cow<'a, str>),
    Read(Cow<'a, str>),
    Head(Cow<'a, str>),
    Delete(Cow<'a, str>),
    /// A session as a stream.
    SessionRead(SessionId),
    SessionHead(SessionId),
    Subscriptions(subscriptions::Endpoint),
}

/// Why a request is no question of this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    NotFound,
    /// The path exists; these are its methods, as `Allow` wants them.
    MethodNotAllowed(&'static str),
    /// What stands after [`ROOT`] cannot be a name, for this reason.
    BadName(&'static str),
}

/// What an endpoint needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// This grant, in the caller's own namespace.
    Own(Grant),
    /// This grant on this session, as in every other room.
    Session(Grant, SessionId),
    /// What its own table says.
    Subscriptions,
}

impl<'a> Endpoint<'a> {
    /// The question behind a method and a path.
    pub fn parse(method: &Method, path: &'a str) -> Result<Self, NoRoute> {
        let Some(rest) = path.strip_prefix(ROOT) else { return Err(NoRoute::NotFound) };
        if method == Method::OPTIONS {
            return Ok(Self::Preflight);
        }
        let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
        match first {
            "__ds" => {
                let segments: Vec<&str> = after.split('/').filter(|segment| !segment.is_empty()).collect();
                subscriptions::Endpoint::parse(method, &segments).map(Self::Subscriptions)
            }
            "sessions" => {
                let session = after.parse().map_err(|_| NoRoute::NotFound)?;
                match *method {
                    Method::GET => Ok(Self::SessionRead(session)),
                    Method::HEAD => Ok(Self::SessionHead(session)),
                    _ => Err(NoRoute::MethodNotAllowed("GET, HEAD")),
                }
            }
            _ => {
                let name = stream_name(rest)?;
                match *method {
                    Method::PUT => Ok(Self::Create(name)),
                    Method::POST => Ok(Self::Append(name)),
                    Method::GET => Ok(Self::Read(name)),
                    Method::HEAD => Ok(Self::Head(name)),
                    Method::DELETE => Ok(Self::Delete(name)),
                    _ => Err(NoRoute::MethodNotAllowed("GET, HEAD, PUT, POST, DELETE, OPTIONS")),
                }
            }
        }
    }

    /// What it needs.
    pub const fn needs(&self) -> Need {
        match self {
            Self::Preflight => Need::Nothing,
            Self::Create(_) => Need::Own(Grant::StreamCreate),
            Self::Append(_) => Need::Own(Grant::StreamAppend),
            Self::Read(_) | Self::Head(_) => Need::Own(Grant::StreamRead),
            Self::Delete(_) => Need::Own(Grant::StreamDelete),
            Self::SessionRead(session) | Self::SessionHead(session) => Need::Session(Grant::SessionRead, *session),
            Self::Subscriptions(_) => Need::Subscriptions,
        }
    }
}

/// The name of a stream from the path behind [`ROOT`], as sent: decoded, and nothing that a file system, a proxy or a
/// log would read as something else.
pub fn stream_name(path: &str) -> Result<Cow<'_, str>, NoRoute> {
    let name = decode(path).ok_or(NoRoute::BadName("has an escape that is none"))?;
    if name.is_empty() {
        return Err(NoRoute::NotFound);
    }
    if name.len() > limits::STREAM_NAME_BYTES_MAX {
        return Err(NoRoute::BadName("is longer than 1024 bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err(NoRoute::BadName("has a control character"));
    }
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(NoRoute::BadName("has an empty segment, or one of dots"));
    }
    if matches!(name.split('/').next(), Some("__ds" | "sessions")) {
        return Err(NoRoute::BadName("begins with a reserved segment"));
    }
    Ok(name)
}

/// Percent-decoding of a path; `None` for escapes that are none, and for what is not UTF-8 behind them.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
            let value = digit()? * 16 + digit()?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const SESSION: &str = "session_00000000000000000000000000000003";

    #[test]
    fn the_whole_room_on_one_page() {
        let mut page = String::new();
        for path in ["/v1/stream/NAME", "/v1/stream/sessions/SESSION"] {
            let real = path.replace("SESSION", SESSION).replace("NAME", "a/b");
            for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"] {
                if let Ok(endpoint) = Endpoint::parse(&method.parse().expect("a method"), &real) {
                    let needs = format!("{:?}", endpoint.needs());
                    let needs = needs.replace(&format!(", {SESSION}"), "");
                    writeln!(page, "{method:<8}{path:<42} {needs}").expect("a string takes everything");
                }
            }
        }
        let committed = include_str!("../../../schema/streams/routes.txt");
        let own: String =
            committed.lines().filter(|line| !line.contains("/__ds")).fold(String::new(), |mut own, line| {
                own.push_str(line);
                own.push('\n');
                own
            });
        assert_eq!(page, own, "the room changed: review schema/streams/routes.txt");
    }

    #[test]
    fn a_name_is_what_stands_behind_the_root_decoded() {
        let name = |path: &str| match Endpoint::parse(&Method::GET, path) {
            Ok(Endpoint::Read(name)) => Some(name.into_owned()),
            _ => None,
        };
        assert_eq!(name("/v1/stream/a/b c").as_deref(), Some("a/b c"));
        assert_eq!(name("/v1/stream/a%2Fb%20%C3%A9").as_deref(), Some("a/b \u{e9}"));
        for bad in ["", "a/../b", ".", "a%00", "a%", "a%f", "a%ff", "__ds", "__ds/x", "%5F_ds/x", "sessions/x", "a/"] {
            assert_eq!(name(&format!("/v1/stream/{bad}")), None, "{bad}");
        }
        assert_eq!(name(&format!("/v1/stream/{}", "x".repeat(1_025))), None);
    }

    #[test]
    fn a_session_is_only_read() {
        for method in [Method::PUT, Method::POST, Method::DELETE] {
            let refused = Endpoint::parse(&method, &format!("/v1/stream/sessions/{SESSION}")).unwrap_err();
            assert_eq!(refused, NoRoute::MethodNotAllowed("GET, HEAD"));
        }
    }
}
