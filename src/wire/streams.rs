//! The Durable Streams protocol as it is spelled: offsets, cursors, header names, control events, errors.
//!
//! Knows nothing of streams, requests or responses.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub mod subscription;

/// Names of headers, as both sides write them; HTTP does not care about their case.
pub mod header {
    pub const NEXT_OFFSET: &str = "stream-next-offset";
    pub const UP_TO_DATE: &str = "stream-up-to-date";
    pub const CURSOR: &str = "stream-cursor";
    pub const CLOSED: &str = "stream-closed";
    pub const TTL: &str = "stream-ttl";
    pub const EXPIRES_AT: &str = "stream-expires-at";
    pub const SEQ: &str = "stream-seq";
    pub const FORKED_FROM: &str = "stream-forked-from";
    pub const FORK_OFFSET: &str = "stream-fork-offset";
    pub const FORK_SUB_OFFSET: &str = "stream-fork-sub-offset";
    pub const SSE_ENCODING: &str = "stream-sse-data-encoding";
    pub const PRODUCER_ID: &str = "producer-id";
    pub const PRODUCER_EPOCH: &str = "producer-epoch";
    pub const PRODUCER_SEQ: &str = "producer-seq";
    pub const PRODUCER_EXPECTED_SEQ: &str = "producer-expected-seq";
    pub const PRODUCER_RECEIVED_SEQ: &str = "producer-received-seq";
    /// Ours: where a stream begins now, with a 410 to a reader who asked for something before that.
    pub const EARLIEST_OFFSET: &str = "stream-earliest-offset";
}

/// Digits of each half of an offset.
const HALF_DIGITS: usize = 16;
/// Above every half of an offset.
const HALF_MAX: u64 = 10_000_000_000_000_000;

/// A place in a stream, as clients hold it: `<position>_<life>`, both of 16 digits, so that text sorts as positions do.
///
/// The life tells streams apart that had the same name one after the other, and a journal from the one that it was
/// restored from: an offset of another life is noticed, instead of being read as a place in this one. Position 0 comes
/// before every life and has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset {
    pub position: u64,
    pub life: u64,
}

impl Offset {
    /// Before everything.
    pub const START: Self = Self { position: 0, life: 0 };

    /// The place after so many appends. `life` is cut to what 16 digits hold.
    pub const fn new(position: u64, life: u64) -> Self {
        if position == 0 { Self::START } else { Self { position, life: life % HALF_MAX } }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}_{:016}", self.position, self.life)
    }
}

/// Why a text is no offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be -1, now, or an offset that this server gave out")]
pub struct InvalidOffset;

impl FromStr for Offset {
    type Err = InvalidOffset;

    fn from_str(text: &str) -> Result<Self, InvalidOffset> {
        let half = |text: &str| {
            let sound = text.len() == HALF_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
            sound.then(|| text.parse().ok()).flatten().ok_or(InvalidOffset)
        };
        let (position, life) = text.split_once('_').ok_or(InvalidOffset)?;
        Ok(Self { position: half(position)?, life: half(life)? })
    }
}

/// Where a reader asks to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// `-1`, or nothing.
    Start,
    /// `now`.
    Tail,
    /// After this place.
    After(Offset),
}

impl FromStr for From {
    type Err = InvalidOffset;

    fn from_str(text: &str) -> Result<Self, InvalidOffset> {
        match text {
            "-1" => Ok(Self::Start),
            "now" => Ok(Self::Tail),
            other => other.parse().map(Self::After),
        }
    }
}

/// The first interval of cursors: 9 October 2024, 00:00 UTC, in milliseconds.
const CURSOR_EPOCH_MS: u64 = 1_728_432_000_000;
/// How long one cursor is given out.
const CURSOR_INTERVAL_MS: u64 = 20_000;
/// How far a cursor may leap at most: an hour, in the protocol's seconds.
const CURSOR_LEAP_MAX: u64 = 3_600;

/// The cursor to answer with at this moment. Caches between us and many readers key on it, so it moves on with time;
/// one that a client shows is always left behind, or a cache could answer it with itself for ever. `dice` is any
/// number.
pub const fn cursor(now_ms: u64, shown: Option<u64>, dice: u64) -> u64 {
    let current = now_ms.saturating_sub(CURSOR_EPOCH_MS) / CURSOR_INTERVAL_MS;
    match shown {
        Some(shown) if shown >= current => shown.saturating_add(1 + dice % CURSOR_LEAP_MAX),
        _ => current,
    }
}

/// What follows every data event of an SSE stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    pub stream_next_offset: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_cursor: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub up_to_date: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream_closed: bool,
}

/// The body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// See [`ErrorBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For programs: `not_found`, `stream_closed`, ...
    pub code: String,
    /// For people: what happened, and what to do.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_sort_as_text_as_they_do_as_places_and_read_back() {
        let places = [0, 1, 9, 10, 99_999, 1 << 52].map(|position| Offset::new(position, 7));
        for pair in places.windows(2) {
            assert!(pair[0].to_string() < pair[1].to_string());
        }
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert_eq!(Offset::START.to_string(), "0000000000000000_0000000000000000");
        assert_eq!(Offset::new(3, u64::MAX).to_string().len(), 33);
    }

    #[test]
    fn what_nobody_gave_out_is_no_offset() {
        for text in ["", "1", "1_2", "-1", "now", "0000000000000001", "000000000000000a_0000000000000000", "../../etc"]
        {
            assert!(text.parse::<Offset>().is_err(), "{text}");
        }
        assert!("+000000000000001_0000000000000000".parse::<Offset>().is_err());
        assert_eq!("now".parse(), Ok(From::Tail));
        assert_eq!("-1".parse(), Ok(From::Start));
        assert!("".parse::<From>().is_err());
    }

    #[test]
    fn a_cursor_that_was_shown_is_left_behind() {
        let now = CURSOR_EPOCH_MS + 10 * CURSOR_INTERVAL_MS;
        assert_eq!(cursor(now, None, 5), 10);
        assert_eq!(cursor(now, Some(9), 5), 10);
        for dice in [0, 1, 3_599, 3_600, u64::MAX] {
            assert!(cursor(now, Some(10), dice) > 10);
            assert!(cursor(now, Some(10), dice) <= 10 + CURSOR_LEAP_MAX);
        }
    }

    #[test]
    fn the_control_event_has_the_members_that_clients_look_for() {
        let mut control = Control {
            stream_next_offset: Offset::new(2, 3).to_string(),
            stream_cursor: Some("10".into()),
            up_to_date: true,
            stream_closed: false,
        };
        let open = serde_json::to_string(&control).expect("JSON");
        (control.stream_cursor, control.stream_closed) = (None, true);
        let closed = serde_json::to_string(&control).expect("JSON");
        insta::assert_snapshot!(format!("{open}\n{closed}"), @r#"
        {"streamNextOffset":"0000000000000002_0000000000000003","streamCursor":"10","upToDate":true}
        {"streamNextOffset":"0000000000000002_0000000000000003","upToDate":true,"streamClosed":true}
        "#);
    }
}
