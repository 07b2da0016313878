//! `text/event-stream`, as the WHATWG describes it: bytes in, events out, wherever the bytes are cut.
//!
//! This module may not know what the events mean, nor where the bytes come from.

/// What one stream may make us hold while it has not ended a line or an event. A page of history in one event is far
/// below it; a server that never ends a line is broken.
pub(crate) const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// `message` when the stream did not say.
    pub(crate) name: String,
    /// The last id that the stream gave, in this event or an earlier one.
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// The stream sends something without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream sent more than {EVENT_BYTES_MAX} bytes without ending an event")]
pub(crate) struct TooLong;

/// Gathers bytes into events.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed after it ends no further line.
    after_cr: bool,
    begun: bool,
    name: String,
    data: String,
    has_data: bool,
    last_id: Option<String>,
    retry_ms: Option<u64>,
}

impl SseParser {
    /// Takes the next bytes and hands over each event that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(SseEvent)) -> Result<(), TooLong> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, tail) = rest.split_at(end);
            let ending = tail[0];
            rest = &tail[1..];
            if ending == b'\n' && self.after_cr && line.is_empty() {
                self.after_cr = false;
                continue;
            }
            self.after_cr = ending == b'\r';
            self.line.extend_from_slice(line);
            let whole = std::mem::take(&mut self.line);
            if let Some(event) = self.take_line(&whole) {
                each(event);
            }
            self.line = whole;
            self.line.clear();
        }
        if !rest.is_empty() {
            self.after_cr = false;
            self.line.extend_from_slice(rest);
        }
        if self.line.len() + self.data.len() > EVENT_BYTES_MAX { Err(TooLong) } else { Ok(()) }
    }

    /// How long the server wants us to wait before we come back.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn take_line(&mut self, line: &[u8]) -> Option<SseEvent> {
        let line = String::from_utf8_lossy(line);
        let line = if self.begun { &*line } else { line.strip_prefix('\u{feff}').unwrap_or(&line) };
        self.begun = true;
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            // A comment has an empty field name; unknown fields are ignored.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(SseEvent { name, id: self.last_id.clone(), data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut parser = SseParser::default();
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(piece, |event| events.push(event)).expect("short");
        }
        events
    }

    fn event(name: &str, id: Option<&str>, data: &str) -> SseEvent {
        SseEvent { name: name.into(), id: id.map(Into::into), data: data.into() }
    }

    #[test]
    fn the_cut_of_the_bytes_does_not_matter() {
        let text = "\u{feff}: hello\r\nid: 7\r\nevent: entry\r\ndata: {\"a\":\"\u{e4}\"}\r\n\r\n\
            id: 8\ndata: x\ndata:\ndata: y\n\n";
        let expected = [event("entry", Some("7"), "{\"a\":\"\u{e4}\"}"), event("message", Some("8"), "x\n\ny")];
        assert_eq!(parse(&[text.as_bytes()]), expected);
        for cut in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(parse(&[head, tail]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(parse(&bytes), expected);
    }

    #[test]
    fn all_three_line_ends_are_one() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["id: 1", "data: a", "", "data: b", "", ""].join(end);
            assert_eq!(parse(&[text.as_bytes()]), [event("message", Some("1"), "a"), event("message", Some("1"), "b")]);
        }
    }

    #[test]
    fn comments_and_unknown_fields_say_nothing() {
        assert_eq!(parse(&[b": keep-alive\n\n:\nfoo: bar\nid: 3\n\ndata: x\n\n"]), [event("message", Some("3"), "x")]);
    }

    #[test]
    fn an_event_that_was_not_ended_is_not_handed_over() {
        assert_eq!(parse(&[b"data: half\n"]), []);
    }

    #[test]
    fn the_retry_hint_is_kept_and_nonsense_ignored() {
        let mut parser = SseParser::default();
        parser.push(b"retry: 1500\nretry: soon\n\n", |_| {}).expect("short");
        assert_eq!(parser.retry_ms(), Some(1500));
    }

    #[test]
    fn a_stream_that_never_ends_a_line_is_given_up() {
        let mut parser = SseParser::default();
        let piece = vec![b'x'; EVENT_BYTES_MAX / 2 + 1];
        assert_eq!(parser.push(&piece, |_| {}), Ok(()));
        assert_eq!(parser.push(&piece, |_| {}), Err(TooLong));
    }
}
