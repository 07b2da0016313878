//! The only place that sees stored bytes of records: what a record looks like on disk, and what is left when it is
//! trimmed.
//!
//! ```text
//!  kept       [version     ][len head: u32][head][body]
//!  forgotten  [version|0x80][len head: u32][head][SHA-256 of body]
//!  digest     SHA-256([version][len head][head] ‖ SHA-256(body))          the same before and after
//! ```
//!
//! The **head** is what a trim keeps: stream, sequence, time, actor, key, and the event if it shapes the world. The
//! **body** is the rest. Both are `MessagePack` maps with short names, so fields can be added; the version changes
//! only when they mean something else ([`migrate`]). Since the digest covers the body by its own digest, a trimmed
//! journal verifies as before, and what was kept of it is still protected.
//!
//! This module knows no table and no file; rows of the indexes are in [`rows`].

mod migrate;
pub(super) mod rows;

#[cfg(test)]
mod golden;

use bytes::Bytes;
use ring::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

use self::migrate::{Migrate, Nothing};
use super::{JournalError, chain::Digest};
use crate::domain::{Actor, DedupeKey, Event, Position, Record, Sequence, Stream, Timestamp, limits};

/// Set on the version of a record whose body was forgotten.
const FORGOTTEN: u8 = 0x80;
/// Version and length of the head.
const PREFIX_BYTES: usize = 5;
/// What [`encode`] writes.
const VERSION: u8 = Head::VERSION;

/// Why bytes cannot be what was written. Becomes [`JournalError::Damaged`] where the position is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw(String);

impl Flaw {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    pub(super) fn at(self, position: Position) -> JournalError {
        JournalError::Damaged { position, reason: self.0 }
    }

    pub(super) fn reason(self) -> String {
        self.0
    }
}

/// The head of a record: what stays when its body is forgotten.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "s", with = "serde_bytes")]
    stream: [u8; crate::domain::stream::STREAM_KEY_BYTES],
    #[serde(rename = "n")]
    sequence: Sequence,
    #[serde(rename = "t")]
    at: Timestamp,
    #[serde(rename = "a")]
    actor: Actor,
    #[serde(rename = "k", with = "serde_bytes", default)]
    key: Option<[u8; 16]>,
    #[serde(rename = "e", default)]
    event: Option<Event>,
    #[serde(rename = "p", default)]
    payload: Option<Bytes>,
}

impl Migrate for Head {
    const VERSION: u8 = 1;
    type Previous = Nothing;

    fn migrate(previous: Nothing) -> Self {
        match previous {}
    }
}

/// The body of a record; absent parts are in the head or empty.
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(rename = "e", default)]
    event: Option<Event>,
    #[serde(rename = "p", default)]
    payload: Option<Bytes>,
}

impl Migrate for Body {
    const VERSION: u8 = VERSION;
    type Previous = Nothing;

    fn migrate(previous: Nothing) -> Self {
        match previous {}
    }
}

#[derive(Serialize)]
struct HeadOut<'a> {
    #[serde(rename = "s")]
    stream: &'a serde_bytes::Bytes,
    #[serde(rename = "n")]
    sequence: Sequence,
    #[serde(rename = "t")]
    at: Timestamp,
    #[serde(rename = "a")]
    actor: Actor,
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    key: Option<&'a serde_bytes::Bytes>,
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    event: Option<&'a Event>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Bytes>,
}

#[derive(Serialize)]
struct BodyOut<'a> {
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    event: Option<&'a Event>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Bytes>,
}

impl Head {
    pub(super) fn stream(&self) -> Result<Stream, Flaw> {
        Stream::from_key(&self.stream).ok_or_else(|| Flaw::new("the stream's name is none of ours"))
    }

    pub(super) const fn sequence(&self) -> Sequence {
        self.sequence
    }

    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn key(&self) -> Option<DedupeKey> {
        self.key.map(DedupeKey)
    }

    /// Whether start-up reads this record.
    pub(super) const fn is_fact(&self) -> bool {
        self.event.is_some()
    }

    /// The record as far as the head tells it; `None` when its event was in the body.
    pub(super) fn into_fact(self, position: Position) -> Result<Option<Record>, Flaw> {
        let stream = self.stream()?;
        let (key, payload) = (self.key(), self.payload.unwrap_or_default());
        Ok(self.event.map(|event| Record {
            position,
            stream,
            sequence: self.sequence,
            at: self.at,
            actor: self.actor,
            key,
            event,
            payload,
        }))
    }
}

/// A record as its stored bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    bytes: &'a [u8],
    head: &'a [u8],
    /// The body, or its digest when forgotten.
    rest: &'a [u8],
}

impl<'a> Stored<'a> {
    /// Finds the parts. Decodes nothing yet.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Flaw> {
        if bytes.len() > limits::RECORD_BYTES_MAX {
            return Err(Flaw::new(format!("{} bytes are more than any record takes", bytes.len())));
        }
        let cut = || Flaw::new("the record is cut short");
        let [_, a, b, c, d] = *bytes.first_chunk::<PREFIX_BYTES>().ok_or_else(cut)?;
        let head_bytes = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| cut())?;
        let (head, rest) = bytes[PREFIX_BYTES..].split_at_checked(head_bytes).ok_or_else(cut)?;
        let stored = Self { bytes, head, rest };
        if stored.is_forgotten() && rest.len() != SHA256.output_len() {
            return Err(Flaw::new("the digest of the forgotten body is cut short"));
        }
        Ok(stored)
    }

    pub(super) const fn is_forgotten(&self) -> bool {
        self.bytes[0] & FORGOTTEN != 0
    }

    const fn version(&self) -> u8 {
        self.bytes[0] & !FORGOTTEN
    }

    /// What the chain closes over; the same whether the body is there or not.
    pub(super) fn digest(&self) -> Digest {
        let mut context = Context::new(&SHA256);
        context.update(&[self.version()]);
        context.update(&self.bytes[1..PREFIX_BYTES + self.head.len()]);
        if self.is_forgotten() {
            context.update(self.rest);
        } else {
            context.update(digest(&SHA256, self.rest).as_ref());
        }
        Digest::of(&context.finish())
    }

    pub(super) fn head(&self) -> Result<Head, Flaw> {
        Head::decode(self.version(), self.head)
    }

    /// The version and the bytes of the head: what the facts keep.
    pub(super) const fn fact(&self) -> rows::Fact<'a> {
        rows::Fact { version: self.version(), head: self.head }
    }

    /// The whole record; `None` if its body was forgotten.
    pub(super) fn record(&self, position: Position) -> Result<Option<Record>, Flaw> {
        if self.is_forgotten() {
            return Ok(None);
        }
        let head = self.head()?;
        let body = if self.rest.is_empty() { Body::default() } else { Body::decode(self.version(), self.rest)? };
        let event = head.event.or(body.event).ok_or_else(|| Flaw::new("the record says nothing"))?;
        Ok(Some(Record {
            position,
            stream: Stream::from_key(&head.stream).ok_or_else(|| Flaw::new("the stream's name is none of ours"))?,
            sequence: head.sequence,
            at: head.at,
            actor: head.actor,
            key: head.key.map(DedupeKey),
            event,
            payload: head.payload.or(body.payload).unwrap_or_default(),
        }))
    }

    /// Whether the parts can be decoded.
    pub(super) fn check(&self) -> Result<(), Flaw> {
        self.head()?.stream()?;
        if !self.is_forgotten() {
            self.record(Position::ZERO)?;
        }
        Ok(())
    }

    /// What is stored instead once the body is forgotten; `None` if it is already.
    pub(super) fn forget(&self) -> Option<Vec<u8>> {
        if self.is_forgotten() {
            return None;
        }
        let kept = PREFIX_BYTES + self.head.len();
        let mut bytes = Vec::with_capacity(kept + SHA256.output_len());
        bytes.extend_from_slice(&self.bytes[..kept]);
        bytes[0] |= FORGOTTEN;
        bytes.extend_from_slice(digest(&SHA256, self.rest).as_ref());
        Some(bytes)
    }
}

/// The head of a fact, which is stored without the rest of its record.
pub(super) fn decode_fact(fact: rows::Fact<'_>, position: Position) -> Result<Record, Flaw> {
    let record = Head::decode(fact.version, fact.head)?.into_fact(position)?;
    record.ok_or_else(|| Flaw::new("the fact says nothing"))
}

/// Adds the stored bytes of a record to `bytes`. What was added when it fails is the caller's to take back.
pub(super) fn encode(record: &Record, bytes: &mut Vec<u8>) -> Result<(), JournalError> {
    let payload = (!record.payload.is_empty()).then_some(&record.payload);
    let event_stays = record.event.shapes_world();
    let payload_stays = matches!(record.event, Event::MetadataPatched { .. });
    let stream = record.stream.to_key();
    let head = HeadOut {
        stream: serde_bytes::Bytes::new(&stream),
        sequence: record.sequence,
        at: record.at,
        actor: record.actor,
        key: record.key.as_ref().map(|key| serde_bytes::Bytes::new(&key.0)),
        event: event_stays.then_some(&record.event),
        payload: payload.filter(|_| payload_stays),
    };
    let body = BodyOut { event: (!event_stays).then_some(&record.event), payload: payload.filter(|_| !payload_stays) };

    let start = bytes.len();
    bytes.reserve(record.payload.len() + 256);
    bytes.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    pack(bytes, &head)?;
    let head_bytes = bytes.len() - start - PREFIX_BYTES;
    if body.event.is_some() || body.payload.is_some() {
        pack(bytes, &body)?;
    }
    let stored_bytes = bytes.len() - start;
    if stored_bytes > limits::RECORD_BYTES_MAX {
        let bytes_max = limits::RECORD_BYTES_MAX;
        return Err(JournalError::TooLarge { position: record.position, bytes: stored_bytes, bytes_max });
    }
    // Fits: the whole is below RECORD_BYTES_MAX.
    let length = u32::try_from(head_bytes).unwrap_or(u32::MAX);
    bytes[start + 1..start + PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn pack<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), JournalError> {
    let mut packer = rmp_serde::Serializer::new(bytes).with_struct_map();
    value
        .serialize(&mut packer)
        .map_err(|error| JournalError::Storage { doing: "encode a record", source: Box::new(error) })
}
