//! Where the events of a session come from: a server's pages, or a journal's file that no server has open.
//!
//! Both give the same [`Event`]s in the same order, so that what reads them need not know which it is.

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value, value::RawValue};

use super::{CtlError, client::Client, error::Kind};
use crate::{
    domain::{Actor, Record, Sequence, SessionId, Stream, limits},
    journal::{Bounds, Journal, JournalReader, RedbJournal},
    wire::web::{Author, Event, EventPage},
};

/// A journal that is read, not written.
pub(crate) fn open_file(path: &Path) -> Result<Arc<dyn JournalReader>, CtlError> {
    Ok(RedbJournal::open(path)?.reader())
}

/// One session's past.
#[derive(Debug)]
pub(crate) enum History {
    Server { client: Client, session: SessionId },
    File { reader: Arc<dyn JournalReader>, session: SessionId },
}

impl History {
    /// The events after `after`, and where the stream ends. A stretch that was forgotten is an error, never skipped,
    /// and so is a numbering other than `epoch`: there the same numbers mean other events.
    fn page(&self, after: u64, epoch: Option<&str>) -> Result<EventPage, CtlError> {
        match self {
            Self::Server { client, session } => {
                let limit = limits::PAGE_ITEMS_MAX.to_string();
                let (after, epoch) = (Some(after.to_string()), epoch.map(ToOwned::to_owned));
                let query = [("after", after), ("limit", Some(limit)), ("epoch", epoch)];
                client.get(&format!("/sessions/{session}/events"), &query)
            }
            Self::File { reader, session } => read_page(reader.as_ref(), *session, after),
        }
    }

    /// The ends of the stream as they are now, without any event.
    fn ends(&self) -> Result<EventPage, CtlError> {
        match self {
            Self::Server { client, session } => ends(client, *session),
            Self::File { reader, session } => read_page(reader.as_ref(), *session, u64::MAX),
        }
    }

    /// How many events at the beginning were forgotten, for those who do not ask for them by number.
    pub(crate) fn forgotten(&self, from: Option<u64>) -> Result<u64, CtlError> {
        if from.is_some() { Ok(0) } else { Ok(self.ends()?.earliest.saturating_sub(1)) }
    }

    /// Hands over each event from `from` to `to` (both inclusive), a page in memory at a time.
    pub(crate) fn each(
        &self,
        from: Option<u64>,
        to: Option<u64>,
        mut each: impl FnMut(Event, &EventEnds) -> Result<(), CtlError>,
    ) -> Result<(), CtlError> {
        let EventPage { earliest, epoch, .. } = self.ends()?;
        // Without a wish it begins with what is there; a wish below that is answered by the gap that it is.
        let mut after = from.unwrap_or(earliest).saturating_sub(1);
        loop {
            let EventPage { events, latest, .. } = self.page(after, Some(&epoch))?;
            let ends = EventEnds { latest: to.map_or(latest, |to| to.min(latest)) };
            let Some(last) = events.last().map(|event| event.sequence) else { return Ok(()) };
            for event in events {
                if event.sequence > ends.latest {
                    return Ok(());
                }
                each(event, &ends)?;
            }
            after = last;
        }
    }
}

/// The ends of a session's stream at a server.
pub(crate) fn ends(client: &Client, session: SessionId) -> Result<EventPage, CtlError> {
    client.get(&format!("/sessions/{session}/events"), &[("after", Some("latest".to_owned()))])
}

/// Where a walk will end, for a progress bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventEnds {
    pub(crate) latest: u64,
}

fn read_page(reader: &dyn JournalReader, session: SessionId, after: u64) -> Result<EventPage, CtlError> {
    let stream = Stream::Session(session);
    let none = || CtlError::new(Kind::NotFound, format!("there is no session {session} in this file"));
    let tail = reader.stream_tail(stream)?.ok_or_else(none)?;
    let (earliest, latest) = (tail.earliest.0, tail.latest.0);
    let records = if after >= latest {
        Vec::new()
    } else {
        let bounds = Bounds { records_max: limits::READ_RECORDS_MAX, bytes_max: limits::READ_BYTES_MAX };
        reader.read_stream(stream, Sequence(after).next(), bounds)?
    };
    let next = records.last().map_or(after, |record| record.sequence.0);
    let events = records.iter().map(|record| event_of(record)).collect::<Result<_, _>>()?;
    Ok(EventPage { events, next, latest, earliest, epoch: reader.epoch().to_string() })
}

/// A record as the API shows it.
pub(crate) fn event_of(record: &Record) -> Result<Event, CtlError> {
    Ok(Event {
        sequence: record.sequence.0,
        position: record.position.0,
        at: record.at.to_string(),
        kind: record.event.kind().to_owned(),
        by: author_of(record.actor),
        data: data_of(record)?,
        payload: payload_of(&record.payload),
    })
}

/// Who caused a record, as the API says it.
pub(crate) fn author_of(actor: Actor) -> Author {
    match actor {
        Actor::Key(id) => Author::Key(id),
        Actor::Worker(id) => Author::Worker(id),
        Actor::Environment(id) => Author::Environment(id),
        Actor::System => Author::System,
        Actor::Anonymous => Author::Anonymous,
        Actor::Woken(id) => Author::Woken(id),
        Actor::Device(id) => Author::Device(id),
    }
}

/// The fields of a record's event, without its kind, and without digests, which are for comparing only, and without
/// what is sealed.
pub(crate) fn data_of(record: &Record) -> Result<Map<String, Value>, CtlError> {
    let mut data = match serde_json::to_value(&record.event).map_err(CtlError::failed)? {
        Value::Object(mut tagged) => match tagged.remove(record.event.kind()) {
            Some(Value::Object(data)) => data,
            _ => Map::new(),
        },
        _ => Map::new(),
    };
    data.remove("digest");
    data.remove("link");
    data.remove("fingerprint");
    data.remove("sealed");
    Ok(data)
}

/// A payload as JSON; `None` for nothing, and for the bytes of a file, which are no JSON.
fn payload_of(bytes: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        self, KeyId, Position, Timestamp,
        event::{KeyCreated, Role, SecretDigest},
    };

    fn record(event: domain::Event, payload: &'static [u8]) -> Record {
        Record {
            position: Position(9),
            stream: Stream::System,
            sequence: Sequence(3),
            at: Timestamp(1_763_719_200_007),
            actor: Actor::Key(KeyId::from_uuid(Uuid::from_u128(1))),
            key: None,
            event,
            payload: Bytes::from_static(payload),
        }
    }

    #[test]
    fn a_record_reads_as_the_api_shows_it() {
        let kind = domain::event::MessageKind::Assistant;
        let event = domain::Event::MessageReceived { message: None, kind, ephemeral: false };
        let shown = event_of(&record(event, b"{\"n\": 1.0e10}")).expect("shows");
        let shown = serde_json::to_string_pretty(&shown).expect("is JSON");
        insta::assert_snapshot!(shown, @r#"
        {
          "sequence": 3,
          "position": 9,
          "at": "2025-11-21T10:00:00.007Z",
          "kind": "message_received",
          "by": {
            "type": "key",
            "id": "key_00000000000000000000000000000001"
          },
          "data": {
            "ephemeral": false,
            "kind": "assistant",
            "message": null
          },
          "payload": {"n": 1.0e10}
        }
        "#);
    }

    #[test]
    fn a_digest_of_a_key_is_not_exported_and_a_file_is_no_payload() {
        let key = KeyId::from_uuid(Uuid::from_u128(2));
        let created = KeyCreated {
            key,
            owner: domain::OwnerId::from_uuid(Uuid::from_u128(3)),
            name: "phone".into(),
            role: Role::Viewer,
            digest: SecretDigest([7; 32]),
            expires_at: None,
            configured: false,
        };
        let shown = event_of(&record(domain::Event::KeyCreated(created), b"\xff\xfe")).expect("shows");
        assert!(shown.data.contains_key("name") && !shown.data.contains_key("digest"));
        assert!(shown.payload.is_none());
    }
}
