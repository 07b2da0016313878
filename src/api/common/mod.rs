//! What rooms share: the call, the reply, streams, sockets, and the house they all stand in.

#[cfg(test)]
pub(crate) mod bench;
pub mod call;
pub mod credential;
pub mod download;
pub mod front;
pub mod house;
pub mod identity;
pub mod json;
pub mod notify;
pub mod origin;
pub mod outbound;
pub mod presence;
pub mod render;
pub mod reply;
pub mod socket;
pub mod stream;

pub use call::{BadRequest, Call};
pub use house::{House, RequestNames, Settings};
pub use notify::Notify;
pub use outbound::Outbound;
pub use reply::Response;
