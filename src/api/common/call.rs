//! A request as rooms see it: parsed once at the front door, owned, with its body read and capped.
//!
//! Knows HTTP; may not know any protocol, nor who is asking: see [`identity`](super::identity).

use std::{borrow::Cow, collections::HashMap, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    /// The path with runs of slashes folded into one: clients with a trailing slash in their base URL send `//v1/…`.
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    /// Where it comes from, seen through trusted proxies.
    pub peer: Option<IpAddr>,
    pub body: Bytes,
}

/// Why a body or a parameter is not what the endpoint takes. Rooms print it in their own shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    #[error("the body must be application/json, not {given:?}")]
    MediaType { given: String },
    #[error("the body must be a JSON object, not {given}")]
    NoObject { given: &'static str },
    #[error("the body is not the JSON expected{at}: {reason}")]
    Json { at: String, reason: String },
    #[error("{name} {reason}")]
    Parameter { name: String, reason: String },
}

impl BadRequest {
    /// A parameter or field that is not what it must be.
    pub fn parameter(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Parameter { name: name.into(), reason: reason.into() }
    }

    /// The field at fault, if one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Parameter { name, .. } => Some(name),
            Self::MediaType { .. } | Self::NoObject { .. } | Self::Json { .. } => None,
        }
    }
}

impl Call {
    /// The path's segments, as sent (ids in paths are plain ASCII; anything else matches no route).
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }

    /// A header as text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The bearer token, if there is one.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The first query parameter of this name, decoded.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// All query parameters, decoded, in order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
    }

    /// A query parameter of a type that parses from text.
    pub fn query_as<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, BadRequest>
    where
        T::Err: std::fmt::Display,
    {
        let parse =
            |text: Cow<'_, str>| text.parse().map_err(|error: T::Err| BadRequest::parameter(name, error.to_string()));
        self.query(name).map(parse).transpose()
    }

    /// The body as a JSON object, which may borrow from it. An empty body reads as `{}`; a declared media type other
    /// than JSON is refused, and so is a list: the parser would take its items for the members' values, in order.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, BadRequest> {
        let given = self.header(header::CONTENT_TYPE).unwrap_or("application/json");
        let essence = given.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") && !essence.ends_with("+json") {
            return Err(BadRequest::MediaType { given: given.chars().take(80).collect() });
        }
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        if let Some(given) = no_object(body) {
            return Err(BadRequest::NoObject { given });
        }
        serde_json::from_slice(body).map_err(|error| match field_of(body, &error) {
            Some(name) => BadRequest::Parameter { name, reason: reason_of(&error) },
            None => BadRequest::Json {
                at: format!(" at line {} column {}", error.line(), error.column()),
                reason: reason_of(&error),
            },
        })
    }
}

/// What the body is if it is JSON and no object, told by its first character. What is no JSON is the parser's to tell.
fn no_object(body: &[u8]) -> Option<&'static str> {
    Some(match body.trim_ascii_start().first()? {
        b'[' => "a list",
        b'"' => "a text",
        b'-' | b'0'..=b'9' => "a number",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => return None,
    })
}

/// The member of the body's outermost object in which the error lies: the parser tells only a line and a column.
fn field_of(body: &[u8], error: &serde_json::Error) -> Option<String> {
    if !error.is_data() {
        return None;
    }
    let line_start = match error.line().checked_sub(2) {
        None => 0,
        Some(before) => body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(before)?.0 + 1,
    };
    let offset = line_start + error.column();
    let members: HashMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let holds = |value: &RawValue| {
        let start = (value.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        Some(start < offset && offset <= start + value.get().len())
    };
    let within = members.into_iter().find(|(_, value)| holds(value) == Some(true)).map(|(name, _)| name);
    within.or_else(|| {
        let text = error.to_string();
        let rest = text.strip_prefix("missing field `").or_else(|| text.strip_prefix("unknown field `"))?;
        rest.split_once('`').map(|(name, _)| name.to_owned())
    })
}

/// The words of a JSON error without its position, which is given apart.
fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

/// Percent-decoding for query strings, `+` as a space; bytes that are no UTF-8 become the replacement character.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let hex = bytes.get(index + 1..index + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                index += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                index += 1;
            }
            _ => {
                out.push(*byte);
                index += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Folds runs of slashes.
pub fn normal_path(path: &str) -> String {
    if !path.contains("//") {
        return path.to_owned();
    }
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(query: &str) -> Call {
        Call {
            method: Method::GET,
            path: normal_path("//v1//x/"),
            query: Some(query.into()),
            headers: HeaderMap::new(),
            peer: None,
            body: Bytes::new(),
        }
    }

    #[test]
    fn double_slashes_are_one() {
        assert_eq!(call("").segments(), ["v1", "x"]);
    }

    #[test]
    fn queries_are_decoded_and_broken_ones_do_no_harm() {
        let call = call("a=1%202+3&b&c=%zz&d=%ff&a=9");
        assert_eq!(call.query("a").as_deref(), Some("1 2 3"));
        assert_eq!(call.query("b").as_deref(), Some(""));
        assert_eq!(call.query("c").as_deref(), Some("%zz"));
        assert_eq!(call.query("d").as_deref(), Some("\u{fffd}"));
        assert!(call.query_as::<u64>("b").is_err());
        assert_eq!(call.query_as::<u64>("nope"), Ok(None));
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        #[derive(Debug, serde::Deserialize, PartialEq)]
        struct Body {
            name: String,
            inner: Vec<u8>,
        }
        let parse = |body: &'static str| Call { body: body.into(), ..call("") }.json::<Body>().unwrap_err();
        let field = |body| parse(body).field().map(str::to_owned);
        assert_eq!(field(r#"{"inner":[],"name":7}"#).as_deref(), Some("name"));
        assert_eq!(field("{\n \"inner\": [1,\n 2, 300],\n \"name\": \"x\"}").as_deref(), Some("inner"));
        assert_eq!(field(r#"{"name":"x""#), None);
        assert_eq!(field("{}").as_deref(), Some("name"));
        assert!(parse("[]").field().is_none());
    }

    #[test]
    fn a_list_is_not_taken_for_an_object_whose_members_it_holds_in_order() {
        #[derive(Debug, serde::Deserialize, PartialEq)]
        struct Body {
            #[serde(default)]
            name: String,
        }
        let parse = |body: &'static str| Call { body: body.into(), ..call("") }.json::<Body>();
        for (body, given) in [
            (r#"["x"]"#, "a list"),
            (" \r\n\t[]", "a list"),
            (r#""x""#, "a text"),
            ("-7", "a number"),
            ("true", "a boolean"),
            ("null", "null"),
        ] {
            let error = parse(body).unwrap_err();
            assert_eq!(error, BadRequest::NoObject { given }, "{body}");
            assert_eq!(error.to_string(), format!("the body must be a JSON object, not {given}"));
        }
        assert!(matches!(parse("}").unwrap_err(), BadRequest::Json { .. }));
        assert_eq!(parse(" {\"name\":\"x\"}"), Ok(Body { name: "x".into() }));
        assert_eq!(parse(""), Ok(Body { name: String::new() }));
    }
}
