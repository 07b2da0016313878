//! What can happen. Pure: no clock, no I/O, no randomness; those come in as values.
//!
//! [`decide()`] looks at the [`World`] and turns a [`Command`] into records or a [`Refusal`]; [`apply`] folds a record
//! into the world and cannot fail. Nothing else changes a world, so replaying the journal rebuilds it.

pub mod agent;
pub mod command;
mod conversation;
mod decide;
pub mod device;
pub mod envelope;
pub mod environment;
pub mod event;
pub mod id;
pub mod key;
pub mod limits;
pub mod notify;
pub mod outbox;
pub mod permission;
pub mod session;
pub mod stream;
pub mod subscription;
#[cfg(test)]
mod tests;
pub mod user_stream;
pub mod work;
mod world;

pub use command::{Command, Outcome, Refusal};
pub use decide::{Context, Decided, decide};
pub use envelope::{Actor, DedupeKey, Draft, Epoch, Position, Record, Sequence, Timestamp};
pub use event::Event;
pub use id::{
    DeviceId, EnvironmentId, FileId, InvalidId, KeyId, MessageId, OwnerId, RequestId, SessionId, SubscriptionId,
    SubscriptionName, TargetId, UserStreamId, WorkId,
};
pub use stream::Stream;
pub use world::{World, apply};
