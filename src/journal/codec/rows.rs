//! Stored bytes of everything that is not a record: commit rows, segments, stream ends, facts and single values.
//!
//! Fixed-size big-endian fields: these rows are either read in bulk or derived, and never grow fields. Only facts carry
//! bytes of records, in rows that are sealed with a digest.

use ring::digest::{SHA256, digest};

use super::Flaw;
use crate::{
    domain::{DedupeKey, Position, Sequence, Stream, Timestamp, stream::STREAM_KEY_BYTES},
    journal::{Commit, StreamTail},
};

/// First position, time, link.
pub(in crate::journal) const COMMIT_BYTES: usize = 48;
/// Earliest, latest, time of latest.
pub(in crate::journal) const STREAM_BYTES: usize = 24;
/// Stream key and first sequence.
pub(in crate::journal) const SEGMENT_KEY_BYTES: usize = STREAM_KEY_BYTES + 8;
/// Position and short key.
pub(in crate::journal) const ENTRY_BYTES: usize = 16;

fn number(bytes: &[u8], index: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
    u64::from_be_bytes(number)
}

pub(in crate::journal) fn commit(commit: &Commit) -> [u8; COMMIT_BYTES] {
    let mut row = [0; COMMIT_BYTES];
    row[..8].copy_from_slice(&commit.first.0.to_be_bytes());
    row[8..16].copy_from_slice(&commit.at.0.to_be_bytes());
    row[16..].copy_from_slice(&commit.link);
    row
}

pub(in crate::journal) fn read_commit(last: u64, row: &[u8; COMMIT_BYTES]) -> Commit {
    let mut link = [0; 32];
    link.copy_from_slice(&row[16..]);
    Commit { first: Position(number(row, 0)), last: Position(last), at: Timestamp(number(row, 1)), link }
}

pub(in crate::journal) fn stream(tail: StreamTail) -> [u8; STREAM_BYTES] {
    let mut row = [0; STREAM_BYTES];
    row[..8].copy_from_slice(&tail.earliest.0.to_be_bytes());
    row[8..16].copy_from_slice(&tail.latest.0.to_be_bytes());
    row[16..].copy_from_slice(&tail.at.0.to_be_bytes());
    row
}

pub(in crate::journal) fn read_stream(row: &[u8; STREAM_BYTES]) -> StreamTail {
    StreamTail { earliest: Sequence(number(row, 0)), latest: Sequence(number(row, 1)), at: Timestamp(number(row, 2)) }
}

/// The name of the run of `stream` that begins at `first`.
pub(in crate::journal) fn segment_key(stream: Stream, first: Sequence) -> [u8; SEGMENT_KEY_BYTES] {
    let mut key = [0; SEGMENT_KEY_BYTES];
    key[..STREAM_KEY_BYTES].copy_from_slice(&stream.to_key());
    key[STREAM_KEY_BYTES..].copy_from_slice(&first.0.to_be_bytes());
    key
}

/// The first sequence of the run with this name.
pub(in crate::journal) fn segment_first(key: &[u8; SEGMENT_KEY_BYTES]) -> Sequence {
    let mut first = [0; 8];
    first.copy_from_slice(&key[STREAM_KEY_BYTES..]);
    Sequence(u64::from_be_bytes(first))
}

/// Where a record of a stream stands, and under which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) struct Entry {
    pub position: Position,
    /// The first half of its dedupe key; 0 for none.
    pub short: u64,
}

/// The first half of a key, never 0. Hits are verified, so that two keys may share it.
pub(in crate::journal) fn short(key: DedupeKey) -> u64 {
    key.short().max(1)
}

pub(in crate::journal) fn push_entry(row: &mut Vec<u8>, entry: Entry) {
    row.extend_from_slice(&entry.position.0.to_be_bytes());
    row.extend_from_slice(&entry.short.to_be_bytes());
}

/// The entries of a run, in sequence; a torn last one is left out, which the reader notices as a hole.
pub(in crate::journal) fn entries(row: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    row.chunks_exact(ENTRY_BYTES).map(|entry| Entry { position: Position(number(entry, 0)), short: number(entry, 1) })
}

/// A stored number.
pub(in crate::journal) fn value(row: &[u8]) -> Option<u64> {
    row.try_into().ok().map(u64::from_be_bytes)
}

/// A record's head, as the facts keep it.
#[derive(Debug, Clone, Copy)]
pub(in crate::journal) struct Fact<'a> {
    pub version: u8,
    pub head: &'a [u8],
}

/// Position, length of the head, version.
const FACT_PREFIX_BYTES: usize = 13;

/// Appends a fact to a list of them.
pub(in crate::journal) fn push_fact(list: &mut Vec<u8>, position: Position, fact: Fact<'_>) {
    // Fits: a record is far below 4 GiB.
    let length = u32::try_from(fact.head.len()).unwrap_or(u32::MAX);
    list.extend_from_slice(&position.0.to_be_bytes());
    list.extend_from_slice(&length.to_be_bytes());
    list.push(fact.version);
    list.extend_from_slice(fact.head);
}

/// The facts of a list, in order. After a flaw there are no more.
pub(in crate::journal) fn facts(mut list: &[u8]) -> impl Iterator<Item = Result<(Position, Fact<'_>), Flaw>> {
    std::iter::from_fn(move || {
        if list.is_empty() {
            return None;
        }
        let split = list.split_at_checked(FACT_PREFIX_BYTES).and_then(|(prefix, rest)| {
            let length = u32::from_be_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
            let (head, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Position(number(prefix, 0)), Fact { version: prefix[12], head }, rest))
        });
        let Some((position, fact, rest)) = split else {
            list = &[];
            return Some(Err(Flaw::new("the facts are cut short")));
        };
        list = rest;
        Some(Ok((position, fact)))
    })
}

/// A row of facts: the list behind its digest. The chain does not cover the indexes, so they carry their own check.
pub(in crate::journal) fn seal(list: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(SHA256.output_len() + list.len());
    row.extend_from_slice(digest(&SHA256, list).as_ref());
    row.extend_from_slice(list);
    row
}

/// The list in a row of facts, if it is what was written.
pub(in crate::journal) fn unseal(row: &[u8]) -> Result<&[u8], Flaw> {
    let (seal, list) = row.split_at_checked(SHA256.output_len()).ok_or_else(|| Flaw::new("the facts are cut short"))?;
    if digest(&SHA256, list).as_ref() != seal {
        return Err(Flaw::new("the facts are not what was written"));
    }
    Ok(list)
}
