//! A reader at the end of a stream: what came since, in batches, and whether anything more will.
//!
//! Stands on a subscription, so it neither skips nor repeats, and holds nothing between two batches.

use std::sync::Arc;

use super::{
    error::Failure,
    source::{Slice, Source},
};
use crate::{
    domain::{Event, Record, limits},
    relay::{Relay, RelayError, Subscription},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Follower {
    subscription: Subscription,
    position: u64,
}

/// What came.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) slice: Slice,
    /// There was nothing more when this was put together.
    pub(super) caught_up: bool,
    /// Nothing more will come.
    pub(super) closed: bool,
    /// The stream was deleted.
    pub(super) deleted: bool,
}

impl Follower {
    /// Follows from a position of the stream's own run on; `None` if the stream has no run.
    pub(super) fn open(relay: &Relay, source: &Source, after: u64) -> Result<Option<Self>, Failure> {
        let Some(own) = source.own() else { return Ok(None) };
        match relay.subscribe(own.stream, own.sequence(after)) {
            Ok(subscription) => Ok(Some(Self { subscription, position: after })),
            Err(RelayError::Gap { .. }) => Err(source.lost(relay, &source.offset(after))?),
            Err(error) => Err(error.into()),
        }
    }

    /// What is there already, maybe nothing.
    pub(super) fn ready(&mut self, source: &Source) -> Result<Batch, RelayError> {
        let first = self.subscription.ready()?;
        self.gather(source, first)
    }

    /// Waits for something. Cancel-safe: dropping the future loses nothing.
    pub(super) async fn next(&mut self, source: &Source) -> Result<Batch, RelayError> {
        let first = self.subscription.next().await?;
        self.gather(source, Some(first))
    }

    fn gather(&mut self, source: &Source, first: Option<Arc<Record>>) -> Result<Batch, RelayError> {
        let slice = Slice { records: Vec::new(), end: self.position };
        let mut batch = Batch { slice, caught_up: false, closed: false, deleted: false };
        let mut bytes = 0;
        let mut next = first;
        loop {
            let Some(record) = next else {
                batch.caught_up = true;
                break;
            };
            match &record.event {
                Event::UserStreamClosed { .. } => batch.closed = true,
                Event::UserStreamDeleted { .. } => batch.deleted = true,
                event => {
                    batch.closed |= matches!(event, Event::UserAppended(appended) if appended.closes);
                    bytes += record.payload.len();
                    if let Some(own) = source.own() {
                        batch.slice.end = own.position(record.sequence);
                    }
                    batch.slice.records.push(record);
                }
            }
            if batch.closed || batch.deleted {
                batch.caught_up = true;
                break;
            }
            if bytes >= limits::READ_BYTES_MAX || batch.slice.records.len() >= limits::READ_RECORDS_MAX {
                break;
            }
            next = self.subscription.ready()?;
        }
        self.position = batch.slice.end;
        Ok(batch)
    }
}
