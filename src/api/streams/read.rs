//! Reading: metadata, what is there, and waiting once for what comes. Following is in [`live`].

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use tokio::time::{Instant, timeout_at};

use super::{
    caller::Caller,
    error::Failure,
    follower::Follower,
    headers::{put, put_true},
    live,
    source::{Slice, Source},
};
use crate::{
    api::common::{Call, House, Response, reply},
    domain::event::Lifetime,
    wire::streams::{self, From, header as name},
};

/// How a reader wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// With what is there.
    CatchUp,
    /// With what is there, or what comes next.
    LongPoll,
    /// With everything, for a while.
    Sse,
}

/// What a reader asks for.
#[derive(Debug)]
struct Question {
    mode: Mode,
    from: From,
    cursor: Option<u64>,
}

impl Question {
    fn of(call: &Call) -> Result<Self, Failure> {
        let (mut from, mut live, mut cursor) = (None, None, None);
        for (key, value) in call.query_pairs() {
            match &*key {
                "offset" if from.is_some() => return Err(Failure::bad("offset", "must be given once")),
                "offset" => {
                    let parsed = value.parse::<From>().map_err(|error| Failure::bad("offset", &error.to_string()))?;
                    from = Some(parsed);
                }
                "live" => live = live.or(Some(value)),
                // What is no number is no cursor of ours.
                "cursor" => cursor = value.parse().ok(),
                _ => {}
            }
        }
        let mode = match live.as_deref() {
            None => Mode::CatchUp,
            Some("long-poll") => Mode::LongPoll,
            Some("sse") => Mode::Sse,
            Some(_) => return Err(Failure::bad("live", "must be long-poll or sse")),
        };
        if mode != Mode::CatchUp && from.is_none() {
            return Err(Failure::bad("offset", "must be given when live is"));
        }
        Ok(Self { mode, from: from.unwrap_or(From::Start), cursor })
    }
}

/// `GET`.
pub(super) async fn read(caller: &Caller<'_>, source: Source) -> Result<Response, Failure> {
    let question = Question::of(caller.call)?;
    let relay = &caller.house.relay;
    let in_use = source.user_stream().and_then(|stream| relay.use_stream(stream, source.lifetime));
    let after = match question.from {
        From::Start => 0,
        From::Tail => source.tail,
        From::After(offset) => source.place(relay, offset)?,
    };
    match question.mode {
        Mode::CatchUp if question.from == From::Tail => Ok(nothing_yet(&source)),
        Mode::CatchUp => catch_up(caller, &source, after),
        Mode::LongPoll => poll(caller, source, after, question.cursor).await,
        Mode::Sse => live::follow(caller, source, after, question.cursor, in_use),
    }
}

/// `HEAD`.
pub(super) fn head(source: &Source) -> Response {
    let mut response = reply::empty(StatusCode::OK);
    put(&mut response, header::CONTENT_TYPE.as_str(), &source.content_type);
    put(&mut response, name::NEXT_OFFSET, &source.offset(source.tail).to_string());
    put_true(&mut response, name::CLOSED, source.closed);
    match source.lifetime {
        Lifetime::Forever => {}
        Lifetime::Sliding { seconds } => put(&mut response, name::TTL, &seconds.to_string()),
        Lifetime::Until { at } => put(&mut response, name::EXPIRES_AT, &at.to_string()),
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `offset=now`: where the tail is, and nothing of what is before it.
fn nothing_yet(source: &Source) -> Response {
    let slice = Slice { records: Vec::new(), end: source.tail };
    let mut response = answer(source, &slice);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn catch_up(caller: &Caller<'_>, source: &Source, after: u64) -> Result<Response, Failure> {
    let slice = source.read(&caller.house.relay, after)?;
    let tag = tag(source, after, slice.end);
    if caller.call.header(header::IF_NONE_MATCH).is_some_and(|known| matches(known, &tag)) {
        let mut response = reply::empty(StatusCode::NOT_MODIFIED);
        dress(caller, source, &slice, &mut response);
        put(&mut response, header::ETAG.as_str(), &tag);
        return Ok(response);
    }
    let mut response = answer(source, &slice);
    dress(caller, source, &slice, &mut response);
    put(&mut response, header::ETAG.as_str(), &tag);
    Ok(response)
}

/// What a position holds never changes, so the ends of a slice name it; that nothing comes after it may change.
fn tag(source: &Source, after: u64, end: u64) -> String {
    let closed = if source.closed && end == source.tail { ":c" } else { "" };
    format!("\"{:x}:{after}:{end}{closed}\"", source.life())
}

/// Whether `If-None-Match` names this tag.
fn matches(known: &str, tag: &str) -> bool {
    known.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || one == tag)
}

/// A slice as a body, with the headers that say how far it goes.
fn answer(source: &Source, slice: &Slice) -> Response {
    let mut response = Response::new(source.body(&slice.records).into());
    put(&mut response, header::CONTENT_TYPE.as_str(), &source.content_type);
    reach(source, slice.end, &mut response);
    response
}

fn reach(source: &Source, end: u64, response: &mut Response) {
    put(response, name::NEXT_OFFSET, &source.offset(end).to_string());
    put_true(response, name::UP_TO_DATE, end >= source.tail);
    put_true(response, name::CLOSED, source.closed && end >= source.tail);
}

/// What caches may do with a slice. An empty one says only that nothing had come yet.
fn dress(caller: &Caller<'_>, source: &Source, slice: &Slice, response: &mut Response) {
    let seconds = match source.lifetime {
        Lifetime::Forever => 60,
        // A copy must not outlive the stream.
        Lifetime::Sliding { seconds } => seconds.min(60),
        Lifetime::Until { at } => (at.since_ms(caller.house.relay.now()) / 1_000).min(60),
    };
    let value: Cow<'static, str> = if slice.records.is_empty() || seconds == 0 {
        "no-store".into()
    } else if caller.is_anonymous() {
        format!("public, max-age={seconds}, stale-while-revalidate={}", seconds * 5).into()
    } else {
        format!("private, max-age={seconds}, stale-while-revalidate={}", seconds * 5).into()
    };
    put(response, header::CACHE_CONTROL.as_str(), &value);
}

/// The cursor to answer with.
pub(super) fn cursor(house: &House, shown: Option<u64>) -> String {
    // Any number will do to tell readers apart.
    let dice = house.fresh().map_or(0, |id| id.as_u64_pair().1);
    streams::cursor(house.relay.now().0, shown, dice).to_string()
}

/// Answers with what is there, or waits for what comes for as long as a poll is held.
async fn poll(caller: &Caller<'_>, source: Source, after: u64, shown: Option<u64>) -> Result<Response, Failure> {
    let house = caller.house;
    let cursor = cursor(house, shown);
    if after < source.tail {
        let slice = source.read(&house.relay, after)?;
        let mut response = answer(&source, &slice);
        dress(caller, &source, &slice, &mut response);
        put(&mut response, name::CURSOR, &cursor);
        return Ok(response);
    }
    if source.closed {
        return Ok(still_nothing(&source, &cursor));
    }
    let Some(mut follower) = Follower::open(&house.relay, &source, after)? else { return Err(Failure::NotFound) };
    let until = Instant::now() + house.settings.streams_poll;
    let mut closing = house.relay.closing();
    let batch = tokio::select! {
        batch = timeout_at(until, follower.next(&source)) => batch,
        _ = closing.wait_for(|closing| *closing) => return Ok(still_nothing(&source, &cursor)),
    };
    // Their credential may have been revoked while they waited.
    Caller::of(house, caller.call)?;
    let Ok(batch) = batch else { return Ok(still_nothing(&source, &cursor)) };
    let batch = batch?;
    let mut now = source;
    now.tail = batch.slice.end.max(now.tail);
    now.closed = batch.closed;
    if batch.slice.records.is_empty() {
        return if batch.deleted { Err(Failure::NotFound) } else { Ok(still_nothing(&now, &cursor)) };
    }
    let mut response = answer(&now, &batch.slice);
    if !batch.caught_up {
        response.headers_mut().remove(name::UP_TO_DATE);
    }
    dress(caller, &now, &batch.slice, &mut response);
    put(&mut response, name::CURSOR, &cursor);
    Ok(response)
}

/// 204: the time is over, or nothing will ever come.
fn still_nothing(source: &Source, cursor: &str) -> Response {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    reach(source, source.tail, &mut response);
    if !source.closed {
        put(&mut response, name::CURSOR, cursor);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
