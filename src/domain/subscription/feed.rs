//! What can be followed: which streams have a path, how far they got, and which records make them longer.
//!
//! The one place where subscriptions look into other parts of the world. Streams of users lie under their names,
//! sessions under `sessions/`. Places are positions: of a user stream the number of appends, of a session the sequence.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    super::{
        envelope::Draft,
        event::{Event, UserAppended, UserStreamCreated},
        id::{OwnerId, SessionId, UserStreamId},
        stream::Stream,
        user_stream::essence,
        world::World,
    },
    Pattern, StreamPath,
};

/// A place in a stream: how many of its records lie before it.
pub type Position = u64;

/// Before the first record.
pub const START: Position = 0;

/// Below this path the sessions can be read.
pub const SESSIONS: &str = "sessions";

/// What a record means to those who follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A stream came into being.
    Began(Began),
    /// There is news in it.
    Grew(Stream),
    /// It is gone for good; its path may be taken by another.
    Gone { path: StreamPath, stream: Stream },
}

/// See [`Change::Began`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Began {
    pub(super) owner: OwnerId,
    pub(super) path: StreamPath,
    pub(super) stream: Stream,
    /// Where its own records begin. What a fork shares with its source is no news.
    pub(super) start: Position,
    /// The record that began it can itself be read in it.
    pub(super) with_news: bool,
    content_type: Option<Arc<str>>,
}

/// What a record means to those who follow, before it is applied.
pub(super) fn change(world: &World, draft: &Draft) -> Option<Change> {
    let stream = draft.stream;
    match &draft.event {
        Event::SessionCreated(created) => {
            let (owner, path) = (created.owner, session_path(created.session)?);
            Some(Change::Began(Began { owner, path, stream, start: START, with_news: true, content_type: None }))
        }
        Event::UserStreamCreated(UserStreamCreated { owner, name, content_type, fork, .. }) => {
            let (path, start) = (name.parse().ok()?, fork.map_or(START, |fork| fork.position));
            let content_type = Some(Arc::clone(content_type));
            Some(Change::Began(Began { owner: *owner, path, stream, start, with_news: false, content_type }))
        }
        Event::UserAppended(_) => Some(Change::Grew(stream)),
        Event::UserStreamDeleted { .. } => Some(Change::Gone { path: path(world, stream)?, stream }),
        _ => matches!(stream, Stream::Session(_)).then_some(Change::Grew(stream)),
    }
}

/// The tail of a stream: what a cursor is compared with.
pub(super) fn tail(world: &World, stream: Stream) -> Position {
    match stream {
        Stream::Session(id) => world.session(id).map_or(START, |session| session.latest.0),
        Stream::User(id) => world.user_streams().get(id).map_or(START, super::super::user_stream::UserStream::tail),
        _ => START,
    }
}

/// The path under which a stream is followed.
pub(super) fn path(world: &World, stream: Stream) -> Option<StreamPath> {
    match stream {
        Stream::Session(id) => session_path(id),
        Stream::User(id) => world.user_streams().get(id)?.name.parse().ok(),
        _ => None,
    }
}

/// The owner's stream of this path, with its tail.
pub fn find(world: &World, owner: OwnerId, path: &StreamPath) -> Option<(Stream, Position)> {
    if let Some(id) = session_of(path) {
        let session = world.session(id).filter(|session| session.owner == owner)?;
        return Some((Stream::Session(id), session.latest.0));
    }
    let found = world.user_streams().named(owner, path.as_str()).filter(|found| found.is_live())?;
    Some((Stream::User(found.id), found.tail()))
}

/// The owner's streams that a pattern means.
pub(super) fn matching<'a>(
    world: &'a World,
    owner: OwnerId,
    pattern: &'a Pattern,
) -> impl Iterator<Item = (StreamPath, Stream, Position)> + 'a {
    let prefix = pattern.literal_prefix();
    let named = world.user_streams().names_from(owner, prefix);
    let named = named.take_while(move |found| found.name.starts_with(prefix)).filter(|found| found.is_live());
    let named = named.filter_map(|found| Some((found.name.parse().ok()?, Stream::User(found.id), found.tail())));
    // A look at all sessions only if one of them can match.
    let may_be_sessions = prefix.is_empty() || prefix == SESSIONS || prefix.starts_with("sessions/");
    let sessions = may_be_sessions.then(|| world.sessions()).into_iter().flatten();
    let sessions = sessions.filter(move |session| session.owner == owner);
    let sessions =
        sessions.filter_map(|found| Some((session_path(found.id)?, Stream::Session(found.id), found.latest.0)));
    named.chain(sessions).filter(|(path, _, _)| pattern.matches(path))
}

/// A session is known under its id in one spelling; others are brought to it.
pub fn canonical(path: StreamPath) -> StreamPath {
    session_of(&path).and_then(session_path).unwrap_or(path)
}

/// The record that tells a wake to whoever reads the owner's stream of this path; `None` if there is none or it takes
/// nothing: the wake can be claimed all the same.
pub(super) fn tell(world: &World, owner: OwnerId, path: &StreamPath, event: &serde_json::Value) -> Option<Draft> {
    let found = world.user_streams().named(owner, path.as_str())?;
    let open = found.is_live() && found.closed.is_none();
    open.then(|| told(found.id, &found.content_type, event))
}

/// The same for a stream that the command in hand makes.
pub(super) fn tell_new(began: &Began, event: &serde_json::Value) -> Option<Draft> {
    match (began.stream, &began.content_type) {
        (Stream::User(id), Some(content_type)) => Some(told(id, content_type, event)),
        _ => None,
    }
}

/// JSON streams separate their messages themselves; in any other a line break does.
fn told(id: UserStreamId, content_type: &str, event: &serde_json::Value) -> Draft {
    let mut text = event.to_string();
    if !essence(content_type).eq_ignore_ascii_case("application/json") {
        text.push('\n');
    }
    Draft::new(Stream::User(id), Event::UserAppended(UserAppended::default())).with_payload(Bytes::from(text))
}

fn session_path(id: SessionId) -> Option<StreamPath> {
    format!("{SESSIONS}/{id}").parse().ok()
}

fn session_of(path: &StreamPath) -> Option<SessionId> {
    path.as_str().strip_prefix(SESSIONS)?.strip_prefix('/')?.parse().ok()
}
