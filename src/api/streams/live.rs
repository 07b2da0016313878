//! Following a stream as server-sent events: data events, each with a control event behind it that says where the
//! reader is.
//!
//! A connection lasts about a minute; readers come back with the offset of the last control event.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, header};
use tokio::sync::watch;

use super::{
    caller::{Caller, Speaker},
    error::Failure,
    follower::Follower,
    headers::put,
    read::cursor,
    source::{Format, Slice, Source},
};
use crate::{
    api::common::{
        House, Response,
        reply::{Feed, streamed},
        stream::single_line,
    },
    relay::InUse,
    wire::streams::{Control, header as name},
};

/// Answers `live=sse`.
pub(super) fn follow(
    caller: &Caller<'_>,
    source: Source,
    after: u64,
    shown: Option<u64>,
    in_use: Option<InUse>,
) -> Result<Response, Failure> {
    let house = Arc::clone(caller.house);
    let is_binary = source.format == Format::Binary;
    let cursor = cursor(&house, shown);
    let follower = open(&house, &source, after)?;
    let feed = Live {
        position: after,
        cursor,
        speaker: caller.speaker.clone(),
        until: Instant::now() + house.settings.streams_sse,
        closing: house.relay.closing(),
        said_up_to_date: false,
        ended: false,
        _in_use: in_use,
        follower,
        source,
        house,
    };
    let mut response = streamed("text/event-stream", feed);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_binary {
        put(&mut response, name::SSE_ENCODING, "base64");
    }
    Ok(response)
}

/// A follower, if the reader is beyond what the stream has from others.
fn open(house: &House, source: &Source, after: u64) -> Result<Option<Follower>, Failure> {
    match source.own() {
        Some(own) if after >= own.after => Follower::open(&house.relay, source, after),
        _ => Ok(None),
    }
}

/// One reader.
struct Live {
    house: Arc<House>,
    speaker: Speaker,
    source: Source,
    position: u64,
    /// Opened once everything that the stream has from others was read.
    follower: Option<Follower>,
    cursor: String,
    until: Instant,
    closing: watch::Receiver<bool>,
    said_up_to_date: bool,
    ended: bool,
    _in_use: Option<InUse>,
}

/// What to do next.
enum Step {
    Send(Vec<u8>),
    Wait,
    End,
}

impl Feed for Live {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended || *self.closing.borrow() || Instant::now() >= self.until || !self.speaker.may_go_on(&self.house)
        {
            return None;
        }
        match self.step() {
            Ok(Step::Send(piece)) => return Some(piece.into()),
            Ok(Step::Wait) => {}
            Ok(Step::End) => return None,
            Err(failure) => return self.broken(&failure),
        }
        let Some(follower) = &mut self.follower else { return None };
        let left = self.until.saturating_duration_since(Instant::now());
        let silence = self.house.settings.sse_keepalive.min(left.max(Duration::from_millis(1)));
        let batch = tokio::select! {
            batch = follower.next(&self.source) => batch,
            () = tokio::time::sleep(silence) => return Some(Bytes::from_static(b": keepalive\n\n")),
            _ = self.closing.wait_for(|closing| *closing) => return None,
        };
        match batch {
            Ok(batch) if batch.deleted => None,
            // Revoked or run out while they waited.
            Ok(_) if !self.speaker.may_go_on(&self.house) => None,
            Ok(batch) => Some(self.draw(&batch.slice, batch.caught_up, batch.closed).into()),
            Err(error) => self.broken(&error.into()),
        }
    }
}

impl Live {
    /// What is there already.
    fn step(&mut self) -> Result<Step, Failure> {
        if self.source.closed && self.position >= self.source.tail {
            let nothing = Slice { records: Vec::new(), end: self.position };
            return Ok(Step::Send(self.draw(&nothing, true, true)));
        }
        if self.follower.is_none() {
            self.follower = open(&self.house, &self.source, self.position)?;
        }
        let Some(follower) = &mut self.follower else {
            let slice = self.source.read(&self.house.relay, self.position)?;
            return Ok(Step::Send(self.draw(&slice, false, false)));
        };
        let batch = follower.ready(&self.source)?;
        if batch.deleted {
            return Ok(Step::End);
        }
        if batch.slice.records.is_empty() && !batch.closed && self.said_up_to_date {
            return Ok(Step::Wait);
        }
        Ok(Step::Send(self.draw(&batch.slice, batch.caught_up, batch.closed)))
    }

    /// A data event, if there is data, and its control event.
    fn draw(&mut self, slice: &Slice, caught_up: bool, closed: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        if !slice.records.is_empty() {
            data(&self.source.body(&slice.records), self.source.format, &mut out);
        }
        self.position = slice.end;
        self.said_up_to_date = caught_up;
        self.ended = closed;
        let control = Control {
            stream_next_offset: self.source.offset(self.position).to_string(),
            stream_cursor: (!closed).then(|| self.cursor.clone()),
            up_to_date: caught_up,
            stream_closed: closed,
        };
        out.extend_from_slice(b"event: control\ndata:");
        // Text and booleans: there is nothing that could not be written.
        let _written = serde_json::to_writer(&mut out, &control);
        out.extend_from_slice(b"\n\n");
        out
    }

    /// Ends the stream; the reader comes back with its last offset and is told by a status what is wrong.
    fn broken(&mut self, failure: &Failure) -> Option<Bytes> {
        tracing::debug!(%failure, position = self.position, "a stream could not be followed further");
        self.ended = true;
        None
    }
}

/// Appends a data event. Its text may hold line breaks of any kind; each line is a line of the event, so that nothing
/// in it can end the event and begin another.
fn data(body: &[u8], format: Format, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: data\n");
    match format {
        Format::Json => {
            out.extend_from_slice(b"data:");
            single_line(body, out);
            out.push(b'\n');
        }
        Format::Text => {
            let text = String::from_utf8_lossy(body);
            let text = text.replace("\r\n", "\n");
            for line in text.split(['\n', '\r']) {
                // Readers take one blank after the colon away.
                out.extend_from_slice(if line.starts_with(' ') { b"data: " } else { b"data:" });
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
        }
        Format::Binary => {
            out.extend_from_slice(b"data:");
            out.extend_from_slice(STANDARD.encode(body).as_bytes());
            out.push(b'\n');
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(body: &str, format: Format) -> String {
        let mut out = Vec::new();
        data(body.as_bytes(), format, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn no_text_can_end_its_event_or_lose_its_blanks() {
        let page = drawn("a\r\n\r\nevent: control\rdata: x\n indented\n", Format::Text);
        insta::assert_snapshot!(page.replace('\r', "<CR>"), @r"
        event: data
        data:a
        data:
        data:event: control
        data:data: x
        data:  indented
        data:
        ");
    }

    #[test]
    fn json_goes_on_one_line_and_bytes_as_base64() {
        assert_eq!(drawn("[{\n\"a\":\r\n1}]", Format::Json), "event: data\ndata:[{ \"a\":  1}]\n\n");
        assert_eq!(drawn("\u{1}\u{2}", Format::Binary), "event: data\ndata:AQI=\n\n");
    }
}
