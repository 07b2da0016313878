//! What the records of user streams make of the world. Total: decides nothing and cannot fail.

use std::sync::Arc;

use super::{Closed, Event, Producer, ProducerStamp, Record, Timestamp, UserStream, UserStreamId, UserStreams, limits};
use crate::domain::{
    event::{UserStreamClosed, UserStreamCreated},
    stream::Stream,
};

pub(super) fn apply(all: &mut UserStreams, record: &Record) {
    let Stream::User(id) = record.stream else { return };
    match &record.event {
        Event::UserStreamCreated(created) => insert(all, record, created),
        Event::UserAppended(appended) => {
            all.advance(id, record.at, appended.producer.as_ref(), appended.stream_seq.as_ref());
            if appended.closes
                && let Some(stream) = all.streams.get_mut(&id)
            {
                stream.closed.get_or_insert_with(|| Closed { by: appended.producer.clone() });
            }
        }
        Event::UserStreamClosed(UserStreamClosed { producer, stream_seq }) => {
            all.advance(id, record.at, producer.as_ref(), stream_seq.as_ref());
            if let Some(stream) = all.streams.get_mut(&id) {
                stream.marks += 1;
                stream.closed.get_or_insert_with(|| Closed { by: producer.clone() });
            }
        }
        Event::UserStreamDeleted { .. } => {
            let Some(stream) = all.streams.get_mut(&id) else { return };
            stream.marks += 1;
            stream.deleted_at.get_or_insert(record.at);
            let stands_alone = stream.forks == 0;
            let producers = std::mem::take(&mut stream.producers).len();
            all.producers = all.producers.saturating_sub(producers);
            if stands_alone {
                release(all, id);
            }
        }
        Event::UserStreamForgotten { .. } => {
            all.garbage.remove(&id);
            all.streams.remove(&id);
        }
        _ => {}
    }
}

fn insert(all: &mut UserStreams, record: &Record, created: &UserStreamCreated) {
    let stream = UserStream {
        id: created.stream,
        owner: created.owner,
        name: Arc::clone(&created.name),
        content_type: Arc::clone(&created.content_type),
        lifetime: created.lifetime,
        fork: created.fork,
        created_at: record.at,
        written_at: record.at,
        closed: None,
        deleted_at: None,
        stream_seq: None,
        forks: 0,
        producers: std::collections::BTreeMap::new(),
        latest: record.sequence,
        marks: 0,
    };
    all.names.entry(created.owner).or_default().insert(Arc::clone(&created.name), created.stream);
    if let Some(source) = created.fork.and_then(|fork| all.streams.get_mut(&fork.source)) {
        source.forks += 1;
    }
    all.streams.insert(created.stream, stream);
}

impl UserStreams {
    fn advance(
        &mut self,
        id: UserStreamId,
        at: Timestamp,
        producer: Option<&ProducerStamp>,
        stream_seq: Option<&Arc<str>>,
    ) {
        if producer.is_none() && stream_seq.is_none() {
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some(seq) = stream_seq {
            stream.stream_seq = Some(Arc::clone(seq));
        }
        let Some(ProducerStamp { id, epoch, seq }) = producer else { return };
        let now = Producer { epoch: *epoch, seq: *seq, at };
        if let Some(known) = stream.producers.get_mut(id) {
            *known = now;
            return;
        }
        self.producers += 1;
        if stream.producers.len() >= limits::PRODUCERS_PER_STREAM_MAX {
            // The one that was quiet longest; `decide` saw to it that it was for long enough.
            let stalest = stream.producers.iter().min_by_key(|(_, found)| found.at).map(|(id, _)| Arc::clone(id));
            if let Some(stalest) = stalest {
                stream.producers.remove(&stalest);
                self.producers = self.producers.saturating_sub(1);
            }
        }
        stream.producers.insert(Arc::clone(id), now);
    }
}

/// Nobody reads from it any more: its name is free, its bytes may go, and so may those of a deleted source that only it
/// read from.
fn release(all: &mut UserStreams, id: UserStreamId) {
    let mut next = Some(id);
    while let Some(stream) = next.and_then(|id| all.streams.get(&id)) {
        let (id, source) = (stream.id, stream.fork.map(|fork| fork.source));
        if let Some(names) = all.names.get_mut(&stream.owner) {
            if names.get(&stream.name) == Some(&id) {
                names.remove(&stream.name);
            }
            if names.is_empty() {
                all.names.remove(&stream.owner);
            }
        }
        all.garbage.insert(id);
        next = source.filter(|source| {
            let Some(source) = all.streams.get_mut(source) else { return false };
            source.forks = source.forks.saturating_sub(1);
            source.forks == 0 && source.deleted_at.is_some()
        });
    }
}
