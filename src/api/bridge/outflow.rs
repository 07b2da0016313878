//! What a session's worker has still to get, as one cursor: first what waits, then what comes.
//!
//! Shared by the event stream (v2) and the WebSocket (v1). It decides what is sent and in which order, never how, and
//! records nothing: whoever writes marks what was written. May not know frames, sockets or tokens.

use std::{collections::VecDeque, sync::Arc};

use uuid::{Builder, Uuid};

use super::translate::{self, Outgoing};
use crate::{
    api::common::{House, stream::note_lag},
    domain::{
        Event, MessageId, Record, Refusal, Sequence, SessionId, Stream,
        command::DeliveryRef,
        outbox::{Item, Outbox},
    },
    relay::{RelayError, Subscription},
};

/// The items for one connection of a session's worker. An archived session has none: its cursor ends with
/// [`Refusal::Archived`] behind what was posted before, so that no worker waits for a conversation that is over.
#[derive(Debug)]
pub(super) struct Outflow {
    house: Arc<House>,
    session: SessionId,
    /// Items that were due when the cursor was opened.
    waiting: VecDeque<Sequence>,
    /// Everything after that moment.
    coming: Subscription,
}

impl Outflow {
    /// Opens the cursor. `after` is the last item that the worker says it has: nothing up to it is sent again.
    /// Without it everything that the worker has not confirmed is sent.
    ///
    /// A number that the stream has not reached yet is of a numbering that was taken back (a restored backup): it says
    /// nothing about what the worker has, and holding items back until it is reached would leave the worker deaf.
    pub(super) fn open(house: &Arc<House>, session: SessionId, after: Option<Sequence>) -> Result<Self, RelayError> {
        // The list and the point from which the subscription goes on are one look at the world: an item is in exactly
        // one of the two.
        let (waiting, latest) = {
            let world = house.relay.world();
            let found = world.session(session).ok_or(Refusal::NoSession(session))?;
            if found.archived_at.is_some() {
                return Err(Refusal::Archived(session).into());
            }
            let after = after.filter(|after| *after <= found.latest).unwrap_or(Sequence::ZERO);
            (due_after(&found.outbox, after), found.latest)
        };
        let coming = house.relay.subscribe(Stream::Session(session), latest)?;
        Ok(Self { house: Arc::clone(house), session, waiting, coming })
    }

    /// The next item, waiting for it. Items that were settled meanwhile (echoed, answered, cancelled, or written by a
    /// newer connection) are left out. Cancel-safe: dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Outgoing, RelayError> {
        loop {
            if let Some(outgoing) = self.ready()? {
                return Ok(outgoing);
            }
            let record = self.coming.next().await?;
            note_lag(&self.coming);
            if let Some(outgoing) = self.came(&record)? {
                return Ok(outgoing);
            }
        }
    }

    /// The next item if it is there already.
    pub(super) fn ready(&mut self) -> Result<Option<Outgoing>, RelayError> {
        while let Some(sequence) = self.waiting.front().copied() {
            let outgoing = self.draw(sequence)?;
            self.waiting.pop_front();
            if outgoing.is_some() {
                return Ok(outgoing);
            }
        }
        while let Some(record) = self.coming.ready()? {
            if let Some(outgoing) = self.came(&record)? {
                return Ok(Some(outgoing));
            }
        }
        Ok(None)
    }

    fn came(&self, record: &Record) -> Result<Option<Outgoing>, RelayError> {
        match record.event {
            Event::SessionArchived { .. } => Err(Refusal::Archived(self.session).into()),
            ref event if translate::is_outgoing(event) => self.draw(record.sequence),
            _ => Ok(None),
        }
    }

    fn draw(&self, sequence: Sequence) -> Result<Option<Outgoing>, RelayError> {
        let due = {
            let world = self.house.relay.world();
            world.session(self.session).and_then(|found| found.outbox.get(sequence)).is_some_and(Item::is_due)
        };
        if due { translate::outgoing(&self.house, self.session, sequence) } else { Ok(None) }
    }
}

fn due_after(outbox: &Outbox, after: Sequence) -> VecDeque<Sequence> {
    let due = outbox.items().filter(|(sequence, item)| *sequence > after && item.is_due());
    due.map(|(sequence, _)| sequence).collect()
}

/// Marks the ids below as ours: `rcs-item` in ASCII.
const ITEM_TAG: u64 = u64::from_be_bytes(*b"rcs-item");

/// The `event_id` of an item that has no id of its own (an answer, a control request). Workers report delivery by it,
/// so it must lead back to the item: it is a version 8 UUID around the sequence. A prompt goes under its own UUID.
pub(super) fn event_id(sequence: Sequence) -> Uuid {
    let bytes = (u128::from(ITEM_TAG) << 64) | u128::from(sequence.0);
    Builder::from_custom_bytes(bytes.to_be_bytes()).into_uuid()
}

/// The item that a worker means by an `event_id` or by a payload's `uuid`: programs use either.
pub(super) fn item_meant(id: Uuid) -> DeliveryRef {
    // The variant takes the two highest bits of the sequence's half; no stream gets there.
    let sequence = Sequence(id.as_u64_pair().1 & (u64::MAX >> 2));
    if event_id(sequence) == id {
        DeliveryRef::Sequence(sequence)
    } else {
        DeliveryRef::Message(MessageId::from_uuid(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_items_id_leads_back_to_it_and_a_message_stays_a_message() {
        for sequence in [1, 17, u64::from(u32::MAX) + 5] {
            let meant = item_meant(event_id(Sequence(sequence)));
            assert!(matches!(meant, DeliveryRef::Sequence(found) if found.0 == sequence), "{meant:?}");
        }
        let uuid = Uuid::from_u128(0xaaaa_aaaa_aaaa_4aaa_8aaa_0000_0000_0001);
        assert!(matches!(item_meant(uuid), DeliveryRef::Message(message) if message.uuid() == uuid));
    }
}
