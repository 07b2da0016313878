//! The protocol's request headers, in types.

use std::{str::FromStr, sync::Arc};

use http::{HeaderValue, header};

use super::error::Failure;
use crate::{
    api::common::{Call, Response},
    domain::{
        Timestamp,
        event::{Lifetime, ProducerStamp},
        limits,
    },
    wire::streams::header as name,
};

/// Whether a header says `true`; anything else says nothing.
pub(super) fn says_true(call: &Call, name: &str) -> bool {
    call.header(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A header as text: absent, or of a bounded length.
fn text<'a>(call: &'a Call, name: &str, bytes_max: usize) -> Result<Option<&'a str>, Failure> {
    let Some(value) = call.headers.get(name) else { return Ok(None) };
    let value = value.to_str().map_err(|_| Failure::bad(name, "must be visible ASCII"))?;
    if value.len() > bytes_max {
        return Err(Failure::bad(name, &format!("must have at most {bytes_max} bytes")));
    }
    Ok(Some(value))
}

/// A decimal number as the protocol writes it: no sign, no leading zero, no point.
pub(super) fn number(call: &Call, name: &str, max: u64) -> Result<Option<u64>, Failure> {
    let Some(value) = text(call, name, 20)? else { return Ok(None) };
    let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && (value == "0" || !value.starts_with('0'));
    let parsed = plain.then(|| u64::from_str(value).ok()).flatten().filter(|number| *number <= max);
    parsed.map(Some).ok_or_else(|| Failure::bad(name, "must be a non-negative whole number without leading zeros"))
}

/// The content type, if one was given.
pub(super) fn content_type(call: &Call) -> Result<Option<&str>, Failure> {
    let given = text(call, header::CONTENT_TYPE.as_str(), limits::CONTENT_TYPE_BYTES_MAX)?.map(str::trim);
    Ok(given.filter(|given| !given.is_empty()))
}

/// How long a new stream is to live, if that was said.
pub(super) fn lifetime(call: &Call) -> Result<Option<Lifetime>, Failure> {
    let seconds = number(call, name::TTL, u64::MAX)?;
    let until = text(call, name::EXPIRES_AT, 64)?;
    match (seconds, until) {
        (None, None) => Ok(None),
        (Some(seconds), None) => Ok(Some(Lifetime::Sliding { seconds })),
        (None, Some(until)) => {
            let at = jiff::Timestamp::from_str(until).ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
            let at = at.ok_or_else(|| Failure::bad(name::EXPIRES_AT, "must be an RFC 3339 time"))?;
            Ok(Some(Lifetime::Until { at: Timestamp(at) }))
        }
        (Some(_), Some(_)) => Err(Failure::bad(name::TTL, "and stream-expires-at exclude each other")),
    }
}

/// Who writes, and the how-manieth of theirs it is: all three headers or none.
pub(super) fn producer(call: &Call) -> Result<Option<ProducerStamp>, Failure> {
    let id = text(call, name::PRODUCER_ID, limits::PRODUCER_ID_BYTES_MAX)?;
    let epoch = number(call, name::PRODUCER_EPOCH, limits::PRODUCER_NUMBER_MAX)?;
    let seq = number(call, name::PRODUCER_SEQ, limits::PRODUCER_NUMBER_MAX)?;
    match (id, epoch, seq) {
        (None, None, None) => Ok(None),
        (Some(""), ..) => Err(Failure::bad(name::PRODUCER_ID, "must not be empty")),
        (Some(id), Some(epoch), Some(seq)) => Ok(Some(ProducerStamp { id: Arc::from(id), epoch, seq })),
        _ => Err(Failure::bad(name::PRODUCER_ID, "comes with producer-epoch and producer-seq, or not at all")),
    }
}

/// The writer's own number.
pub(super) fn stream_seq(call: &Call) -> Result<Option<Arc<str>>, Failure> {
    Ok(text(call, name::SEQ, limits::STREAM_SEQ_BYTES_MAX)?.map(Arc::from))
}

/// Sets a header of an answer. A value that cannot be one is left out: ours all can.
pub(super) fn put(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Says `true` under a header if it is so.
pub(super) fn put_true(response: &mut Response, name: &'static str, is_so: bool) {
    if is_so {
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
}
