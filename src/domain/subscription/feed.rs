//! What can be followed: which streams have a path, how far they got, and which records make them longer.
//!
//! The one place where subscriptions look into other parts of the world.

use bytes::Bytes;

use super::{
    super::{
        envelope::{Draft, Sequence},
        event::Event,
        id::{OwnerId, SessionId},
        stream::Stream,
        world::World,
    },
    StreamPath,
};

/// A place in a stream.
pub type Offset = Sequence;

/// Before the first record.
pub const START: Offset = Sequence::ZERO;

/// Below this path the sessions can be read.
const SESSIONS: &str = "sessions";

/// What a record means to those who follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A stream came into being; `with_news`: this record itself can be read in it.
    Began { owner: OwnerId, path: StreamPath, stream: Stream, with_news: bool },
    /// There is news in it.
    Grew(Stream),
    /// It is gone for good; its path may be taken by another.
    #[expect(dead_code, reason = "sessions are never deleted; user streams are")]
    Gone { path: StreamPath, stream: Stream },
}

/// What a record means to those who follow, before it is applied.
pub(super) fn change(draft: &Draft) -> Option<Change> {
    match (&draft.event, draft.stream) {
        (Event::SessionCreated(created), stream) => {
            let path = session_path(created.session)?;
            Some(Change::Began { owner: created.owner, path, stream, with_news: true })
        }
        (_, stream @ Stream::Session(_)) => Some(Change::Grew(stream)),
        _ => None,
    }
}

/// The tail of a stream: what a cursor is compared with.
pub(super) fn tail(world: &World, stream: Stream) -> Offset {
    match stream {
        Stream::Session(id) => world.session(id).map_or(START, |session| session.latest),
        _ => START,
    }
}

/// The path under which a stream is followed.
pub(super) fn path(world: &World, stream: Stream) -> Option<StreamPath> {
    match stream {
        Stream::Session(id) => world.session(id).and_then(|session| session_path(session.id)),
        _ => None,
    }
}

/// The owner's stream of this path, with its tail.
pub fn find(world: &World, owner: OwnerId, path: &StreamPath) -> Option<(Stream, Offset)> {
    let session = session_of(path).and_then(|id| world.session(id)).filter(|session| session.owner == owner)?;
    Some((Stream::Session(session.id), session.latest))
}

/// All streams of an owner.
pub(super) fn all(world: &World, owner: OwnerId) -> impl Iterator<Item = (StreamPath, Stream, Offset)> + '_ {
    let sessions = world.sessions().filter(move |session| session.owner == owner);
    sessions.filter_map(|session| Some((session_path(session.id)?, Stream::Session(session.id), session.latest)))
}

/// A session is known under its id in one spelling; others are brought to it.
pub fn canonical(path: StreamPath) -> StreamPath {
    session_of(&path).and_then(session_path).unwrap_or(path)
}

/// The record that tells a wake to whoever reads the owner's stream of this path; `None` if there is none or it takes
/// nothing.
pub(super) fn tell(_world: &World, _owner: OwnerId, _path: &StreamPath, _payload: Bytes) -> Option<Draft> {
    None
}

fn session_path(id: SessionId) -> Option<StreamPath> {
    format!("{SESSIONS}/{id}").parse().ok()
}

fn session_of(path: &StreamPath) -> Option<SessionId> {
    path.as_str().strip_prefix(SESSIONS)?.strip_prefix('/')?.parse().ok()
}
