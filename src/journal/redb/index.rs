//! The index tables: written at a checkpoint, read by sequence, made anew when they are missing.
//!
//! They say nothing that the events do not say. This file knows their rows; what a record says is the codec's business.

use std::collections::BTreeMap;

use ::redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    failure::failed,
    live::{FactsRow, Live, LiveStream},
    tables::{FACTS, INDEX, META, SEGMENTS, STREAMS, names},
};
use crate::{
    domain::{Position, Sequence, Stream, stream::STREAM_KEY_BYTES},
    journal::{
        JournalError, StreamTail,
        codec::rows::{self, ENTRY_BYTES, Entry, SEGMENT_KEY_BYTES, STREAM_BYTES},
    },
};

/// The rows of everything that happened since the last checkpoint, in the order of their keys.
#[derive(Debug)]
pub(super) struct Checkpoint {
    streams: BTreeMap<[u8; STREAM_KEY_BYTES], StreamRows>,
    facts: Vec<FactsRow>,
    /// The last position that the index covers with it.
    until: Position,
}

#[derive(Debug)]
struct StreamRows {
    segment: [u8; SEGMENT_KEY_BYTES],
    entries: Vec<u8>,
    tail: [u8; STREAM_BYTES],
}

impl Checkpoint {
    /// Of what memory knows now, and what is not on its way already.
    pub(super) fn of(live: &Live) -> Self {
        let rows = |stream: Stream, entry: &LiveStream| {
            let mut entries = Vec::with_capacity(entry.entries.len() * ENTRY_BYTES);
            entry.entries.iter().for_each(|entry| rows::push_entry(&mut entries, *entry));
            let segment = rows::segment_key(stream, entry.first);
            (stream.to_key(), StreamRows { segment, entries, tail: rows::stream(entry.tail) })
        };
        let streams = live.streams.iter().map(|(stream, entry)| rows(*stream, entry)).collect();
        Self { streams, facts: live.facts.clone(), until: live.tail }
    }

    pub(super) fn write(&self, txn: &WriteTransaction) -> Result<(), JournalError> {
        let doing = "write a checkpoint";
        let mut segments = txn.open_table(SEGMENTS).map_err(failed(doing))?;
        let mut streams = txn.open_table(STREAMS).map_err(failed(doing))?;
        for (key, rows) in &self.streams {
            segments.insert(&rows.segment, rows.entries.as_slice()).map_err(failed(doing))?;
            streams.insert(key, &rows.tail).map_err(failed(doing))?;
        }
        let mut facts = txn.open_table(FACTS).map_err(failed(doing))?;
        for row in &self.facts {
            facts.insert(row.first.0, rows::seal(&row.list).as_slice()).map_err(failed(doing))?;
        }
        let mut meta = txn.open_table(META).map_err(failed(doing))?;
        meta.insert(names::CHECKPOINT, self.until.0.to_be_bytes().as_slice()).map_err(failed(doing))?;
        Ok(())
    }
}

/// Empties the index, so that it is written again from the first record on.
pub(super) fn reset(txn: &WriteTransaction) -> Result<(), JournalError> {
    let doing = "empty its index";
    txn.delete_table(SEGMENTS).map_err(failed(doing))?;
    txn.delete_table(STREAMS).map_err(failed(doing))?;
    txn.delete_table(FACTS).map_err(failed(doing))?;
    txn.open_table(SEGMENTS).map_err(failed(doing))?;
    txn.open_table(STREAMS).map_err(failed(doing))?;
    txn.open_table(FACTS).map_err(failed(doing))?;
    let mut meta = txn.open_table(META).map_err(failed(doing))?;
    meta.insert(names::INDEX, INDEX.to_be_bytes().as_slice()).map_err(failed(doing))?;
    meta.insert(names::CHECKPOINT, 0_u64.to_be_bytes().as_slice()).map_err(failed(doing))?;
    Ok(())
}

/// The ends of a stream at the last checkpoint.
pub(super) fn stream_tail(txn: &ReadTransaction, stream: Stream) -> Result<Option<StreamTail>, JournalError> {
    let doing = "look up a stream";
    let streams = txn.open_table(STREAMS).map_err(failed(doing))?;
    let row = streams.get(&stream.to_key()).map_err(failed(doing))?;
    Ok(row.map(|row| rows::read_stream(row.value())))
}

/// Calls `each` with the entries of `stream` from `from` up to but without `until`, in order, until it says `false`.
pub(super) fn entries(
    segments: &impl ReadableTable<&'static [u8; SEGMENT_KEY_BYTES], &'static [u8]>,
    stream: Stream,
    from: Sequence,
    until: Sequence,
    mut each: impl FnMut(Sequence, Entry) -> bool,
) -> Result<(), JournalError> {
    if from >= until {
        return Ok(());
    }
    let doing = "look up the records of a stream";
    // The run that holds `from` is the last one that begins at or before it.
    let (lowest, wanted) = (rows::segment_key(stream, Sequence::ZERO), rows::segment_key(stream, from));
    let mut before = segments.range::<&[u8; SEGMENT_KEY_BYTES]>(&lowest..=&wanted).map_err(failed(doing))?;
    let start = match before.next_back().transpose().map_err(failed(doing))? {
        Some((key, _)) => *key.value(),
        None => wanted,
    };
    let end = rows::segment_key(stream, until);
    for row in segments.range::<&[u8; SEGMENT_KEY_BYTES]>(&start..&end).map_err(failed(doing))? {
        let (key, row) = row.map_err(failed(doing))?;
        let first = rows::segment_first(key.value());
        let skip = usize::try_from(from.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
        let row = row.value().get(skip.saturating_mul(ENTRY_BYTES)..).unwrap_or_default();
        for (entry, sequence) in rows::entries(row).zip(first.max(from).0..until.0) {
            if !each(Sequence(sequence), entry) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A row of facts: the first position it covers, its stored bytes.
pub(super) type FactsAt = (Position, Vec<u8>);

/// The first row of facts that begins after `after` and not after the checkpoint.
pub(super) fn facts_after(
    txn: &ReadTransaction,
    after: Position,
    checkpoint: Position,
) -> Result<Option<FactsAt>, JournalError> {
    let doing = "read what start-up needs";
    if after >= checkpoint {
        return Ok(None);
    }
    let facts = txn.open_table(FACTS).map_err(failed(doing))?;
    let mut range = facts.range(after.0 + 1..=checkpoint.0).map_err(failed(doing))?;
    let row = range.next().transpose().map_err(failed(doing))?;
    Ok(row.map(|(first, row)| (Position(first.value()), row.value().to_vec())))
}
