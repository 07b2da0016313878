//! What waits for a session's worker, by the sequence it has in the stream.
//!
//! Prompts and answers stay until the worker confirms them and are sent again on a new connection (the worker drops
//! repetitions by id). Control requests are sent once: a worker would carry them out again.

use std::collections::BTreeMap;

use super::{
    envelope::{Position, Record, Sequence},
    event::{Control, Event, Fingerprint},
    id::{MessageId, RequestId},
};

/// One thing for the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Something said to the agent. Its position tells which of two conversations waits longer.
    Prompt { message: MessageId, fingerprint: Fingerprint, delivered: bool, position: Position },
    /// The answer to its question.
    Answer { request: RequestId, delivered: bool },
    /// A change of course.
    Control { request: RequestId, control: Control, delivered: bool },
}

impl Item {
    /// Whether it was handed to a connection.
    pub const fn is_delivered(&self) -> bool {
        match self {
            Self::Prompt { delivered, .. } | Self::Answer { delivered, .. } | Self::Control { delivered, .. } => {
                *delivered
            }
        }
    }

    /// Whether a new connection gets it.
    pub const fn is_due(&self) -> bool {
        !matches!(self, Self::Control { delivered: true, .. })
    }

    const fn deliver(&mut self) {
        match self {
            Self::Prompt { delivered, .. } | Self::Answer { delivered, .. } | Self::Control { delivered, .. } => {
                *delivered = true;
            }
        }
    }
}

/// What waits for a worker, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbox {
    items: BTreeMap<Sequence, Item>,
}

impl Outbox {
    /// Everything that the worker has not confirmed, in order.
    pub fn items(&self) -> impl Iterator<Item = (Sequence, &Item)> {
        self.items.iter().map(|(sequence, item)| (*sequence, item))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item that was recorded under this sequence.
    pub fn get(&self, sequence: Sequence) -> Option<&Item> {
        self.items.get(&sequence)
    }

    /// The unconfirmed prompt with this id.
    pub fn prompt(&self, id: MessageId) -> Option<(Sequence, &Item)> {
        self.items().find(|(_, item)| matches!(item, Item::Prompt { message, .. } if *message == id))
    }

    /// Whether a prompt waits, or was delivered and is not confirmed.
    pub fn has_prompt(&self) -> bool {
        self.items.values().any(|item| matches!(item, Item::Prompt { .. }))
    }

    /// The unanswered control request with this id.
    pub fn control(&self, id: &RequestId) -> Option<(Sequence, &Control)> {
        self.items().find_map(|(sequence, item)| match item {
            Item::Control { request, control, .. } if request == id => Some((sequence, control)),
            _ => None,
        })
    }

    /// The unconfirmed answer to this question.
    pub fn answer(&self, id: &RequestId) -> Option<Sequence> {
        self.items().find(|(_, item)| is_answer(item, id)).map(|(sequence, _)| sequence)
    }

    /// Control requests that end with the worker's connection: those it has and did not answer, and interrupts, which
    /// speak of a turn that is over.
    pub(super) fn lapsing(&self) -> impl Iterator<Item = RequestId> {
        self.items.values().filter_map(|item| match item {
            Item::Control { request, control, delivered } if *delivered || matches!(control, Control::Interrupt) => {
                Some(request.clone())
            }
            _ => None,
        })
    }

    pub(super) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MessagePosted { message, fingerprint, .. } => {
                let (message, fingerprint, position) = (*message, *fingerprint, record.position);
                let item = Item::Prompt { message, fingerprint, delivered: false, position };
                self.items.insert(record.sequence, item);
            }
            Event::ControlRequested { request, control, .. } => {
                let item = Item::Control { request: request.clone(), control: control.clone(), delivered: false };
                self.items.insert(record.sequence, item);
            }
            Event::PermissionDecided(decided) => {
                let item = Item::Answer { request: decided.request.clone(), delivered: false };
                self.items.insert(record.sequence, item);
            }
            Event::MessageDelivered { message, .. } => self.change(|item| is_prompt(item, *message)),
            Event::ControlDelivered { request, .. } => self.change(|item| is_control(item, request)),
            Event::MessageConsumed { message, .. } | Event::MessageCancelled { message, .. } => {
                self.items.retain(|_, item| !is_prompt(item, *message));
            }
            Event::ControlAnswered { request, .. } | Event::ControlDropped { request, .. } => {
                self.items.retain(|_, item| !is_control(item, request));
            }
            Event::PermissionDelivered { request, .. } | Event::PermissionCancelled { request, .. } => {
                self.items.retain(|_, item| !is_answer(item, request));
            }
            _ => {}
        }
    }

    fn change(&mut self, which: impl Fn(&Item) -> bool) {
        self.items.values_mut().filter(|item| which(item)).for_each(Item::deliver);
    }
}

fn is_prompt(item: &Item, id: MessageId) -> bool {
    matches!(item, Item::Prompt { message, .. } if *message == id)
}

fn is_control(item: &Item, id: &RequestId) -> bool {
    matches!(item, Item::Control { request, .. } if request == id)
}

fn is_answer(item: &Item, id: &RequestId) -> bool {
    matches!(item, Item::Answer { request, .. } if request == id)
}
