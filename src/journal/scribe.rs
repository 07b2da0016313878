//! Numbers records for tests as the relay's writer does, and remembers them: the model that a journal is compared with.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use uuid::Uuid;

use super::Bounds;
use crate::domain::{
    Actor, DedupeKey, Event, MessageId, Position, Record, Sequence, SessionId, Stream, Timestamp,
    event::{Fingerprint, MessageKind},
};

/// Everything in one page.
pub(super) const ALL: Bounds = Bounds { records_max: usize::MAX, bytes_max: usize::MAX };

/// What was written so far, and what comes next.
#[derive(Debug, Clone, Default)]
pub(super) struct Scribe {
    pub(super) written: Vec<Arc<Record>>,
    latest: HashMap<Stream, Sequence>,
}

pub(super) fn session(number: u128) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(number))
}

pub(super) fn stream(number: u128) -> Stream {
    Stream::Session(session(number))
}

/// A dedupe key; keys that differ only in `rest` share their first half.
pub(super) fn key(short: u64, rest: u64) -> DedupeKey {
    DedupeKey((u128::from(short) << 64 | u128::from(rest)).to_be_bytes())
}

/// Something said: not needed at start-up.
pub(super) fn said() -> Event {
    Event::MessageReceived { message: None, kind: MessageKind::Assistant, ephemeral: false }
}

/// Something that shapes the world.
pub(super) fn fact(number: u128) -> Event {
    let message = MessageId::from_uuid(Uuid::from_u128(number));
    Event::MessagePosted { session: session(number), message, fingerprint: Fingerprint::default() }
}

impl Scribe {
    /// The next record of a stream.
    pub(super) fn next(&mut self, stream: Stream, event: Event, payload: &[u8], key: Option<DedupeKey>) -> Arc<Record> {
        let position = Position(self.written.len() as u64 + 1);
        let sequence = self.latest.entry(stream).or_default();
        *sequence = sequence.next();
        let record = Arc::new(Record {
            position,
            stream,
            sequence: *sequence,
            at: Timestamp(1_763_719_200_000 + position.0),
            actor: Actor::System,
            key,
            event,
            payload: Bytes::copy_from_slice(payload),
        });
        self.written.push(record.clone());
        record
    }

    /// The next few records of a stream, without keys: things said, with the position as payload.
    pub(super) fn talk(&mut self, stream: Stream, records: usize) -> Vec<Arc<Record>> {
        let text = |scribe: &Self| format!("{{\"n\":{}}}", scribe.written.len());
        (0..records).map(|_| self.next(stream, said(), text(self).as_bytes(), None)).collect()
    }

    /// The same without its last records.
    pub(super) fn without_last(mut self, records: usize) -> Self {
        self.written.truncate(self.written.len() - records);
        self.latest = self.written.iter().map(|record| (record.stream, record.sequence)).collect();
        self
    }

    /// Everything written to a stream from a sequence on.
    pub(super) fn of(&self, stream: Stream, from: u64) -> Vec<Arc<Record>> {
        self.written.iter().filter(|r| r.stream == stream && r.sequence.0 >= from).cloned().collect()
    }

    /// The facts among everything written, as start-up must see them.
    pub(super) fn facts(&self) -> Vec<Record> {
        let facts = self.written.iter().filter(|record| record.event.shapes_world());
        facts
            .map(|record| {
                let mut record = Record::clone(record);
                if !matches!(record.event, Event::MetadataPatched { .. }) {
                    record.payload = Bytes::new();
                }
                record
            })
            .collect()
    }
}
