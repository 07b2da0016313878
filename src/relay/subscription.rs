//! A client is a cursor: from its offset to the tail and on, without a hole, a repetition, a lock or a queue.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use super::{
    RelayError,
    handover::step,
    hub::{Buffer, Hub},
    page_bounds,
};
use crate::{
    domain::{Record, Sequence, Stream, limits},
    journal::JournalReader,
};

/// A cursor on one stream.
pub struct Subscription {
    hub: Arc<Hub>,
    reader: Arc<dyn JournalReader>,
    tail: watch::Receiver<Sequence>,
    stream: Stream,
    /// The next sequence to fetch; those before it are delivered or in the buffer.
    next: Sequence,
    buffer: Buffer,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("stream", &self.stream).field("next", &self.next).finish_non_exhaustive()
    }
}

impl Subscription {
    pub(super) fn open(
        hub: Arc<Hub>,
        reader: Arc<dyn JournalReader>,
        stream: Stream,
        after: Sequence,
    ) -> Result<Self, RelayError> {
        let tail = hub.tail();
        // The journal's word, not the hub's: the committed view may show a record a moment before its hub does, and
        // whoever looked there may ask to go on from it.
        let ends = reader.stream_tail(stream)?;
        let (earliest, latest) = ends.map_or((Sequence(1), Sequence::ZERO), |ends| (ends.earliest, ends.latest));
        if after > latest || after.next() < earliest {
            return Err(RelayError::Gap { stream, asked: after, earliest, latest });
        }
        Ok(Self { hub, reader, tail, stream, next: after.next(), buffer: Buffer::new() })
    }

    /// The stream it follows.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// The durable tail of the stream, as last seen.
    pub fn tail(&self) -> Sequence {
        *self.tail.borrow()
    }

    /// How many records the cursor is behind the tail.
    pub fn lag(&self) -> u64 {
        let next = self.buffer.front().map_or(self.next, |record| record.sequence);
        self.tail().0.saturating_add(1).saturating_sub(next.0)
    }

    /// The next record if it is there already.
    pub fn ready(&mut self) -> Result<Option<Arc<Record>>, RelayError> {
        if self.buffer.is_empty() {
            let tail = *self.tail.borrow_and_update();
            let log = |from| self.reader.read_stream(self.stream, Sequence(from), page_bounds());
            let records = step(self.next.0, tail.0, limits::READ_RECORDS_MAX, self.hub.as_ref(), log)?;
            if let Some(last) = records.last() {
                self.next = last.sequence.next();
            }
            self.buffer.extend(records);
        }
        Ok(self.buffer.pop_front())
    }

    /// The next record, waiting for it. Cancel-safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Arc<Record>, RelayError> {
        loop {
            if let Some(record) = self.ready()? {
                return Ok(record);
            }
            // The hub that this cursor holds keeps the sender alive.
            if self.tail.changed().await.is_err() {
                return Err(RelayError::Closing);
            }
        }
    }

    /// Waits until the stream grows beyond what this cursor has seen of its tail.
    pub async fn grown(&mut self) {
        let _gone = self.tail.changed().await;
    }
}
