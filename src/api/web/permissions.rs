//! Questions of agents: what is pending over all sessions, and one in particular. Deciding has a file of its own.

use http::StatusCode;
use serde_json::value::RawValue;

use super::{
    caller::Caller,
    error::Failure,
    json,
    page::{Order, Place, Slice},
    render,
};
use crate::{
    api::common::Response,
    domain::{
        Event, Record, RequestId, Sequence, SessionId, Stream,
        event::Verdict,
        limits,
        permission::{Open, Settled, Settlement},
    },
    relay::{Bounds, RelayError},
    wire::web::{Decision, Page, Permission, PermissionState, Winner},
};

/// What is pending over all the caller's sessions; who waits longest comes first.
pub(super) fn list(caller: &Caller<'_>) -> Result<Response, Failure> {
    let slice = Slice::of(caller, Order::OldestFirst)?;
    let scope = caller.principal.scope();
    let (asked, mut next) = {
        let world = caller.house.relay.world();
        let asking = world.asking().filter(|session| scope.includes(session.owner));
        let places = asking.flat_map(|session| {
            let id = session.id.uuid();
            session.permissions.open().map(move |open| Place { at: open.asked_at, id, rest: open.request.to_string() })
        });
        let (places, next) = slice.cut(places);
        let asked = places.into_iter().filter_map(|place| {
            let session = world.session(SessionId::from_uuid(place.id))?;
            let open = session.permissions.get_open(&place.rest.parse().ok()?)?;
            let shown = open_shown(session.id, session.title.clone(), open);
            Some((place, shown))
        });
        (asked.collect::<Vec<_>>(), next)
    };
    let (mut items, mut bytes) = (Vec::with_capacity(asked.len()), 0);
    for (place, mut shown) in asked {
        shown.payload = request_payload(caller, shown.session_id, Sequence(shown.sequence))?;
        bytes += shown.payload.as_ref().map_or(0, |payload| payload.get().len());
        items.push(shown);
        // Inputs can be large; the page ends early and says where to go on.
        if bytes > limits::READ_BYTES_MAX {
            next = Some(place.to_string());
            break;
        }
    }
    Ok(json(StatusCode::OK, &Page { items, next }))
}

pub(super) fn show(caller: &Caller<'_>, session: SessionId, request: &RequestId) -> Result<Response, Failure> {
    let (title, settled, open) = {
        let world = caller.house.relay.world();
        let found = world.session(session).ok_or_else(|| Failure::absent(session))?;
        let open = found.permissions.get_open(request).map(|open| open_shown(session, found.title.clone(), open));
        (found.title.clone(), found.permissions.get_settled(request).cloned(), open)
    };
    let shown = match (open, settled) {
        (Some(mut open), _) => {
            open.payload = request_payload(caller, session, Sequence(open.sequence))?;
            open
        }
        (None, Some(settled)) => settled_shown(caller, session, title, &settled)?,
        (None, None) => return Err(unknown(session, request)),
    };
    Ok(json(StatusCode::OK, &shown))
}

fn unknown(session: SessionId, request: &RequestId) -> Failure {
    Failure::absent(format_args!("permission request {request} in {session}"))
}

fn open_shown(session: SessionId, title: Option<String>, open: &Open) -> Permission {
    Permission {
        session_id: session,
        session_title: title,
        request_id: open.request.clone(),
        state: PermissionState::Open,
        tool: open.tool.clone(),
        subject: open.subject.clone(),
        tool_use_id: open.tool_use.clone(),
        asked_at: open.asked_at.to_string(),
        sequence: open.sequence.0,
        decision: None,
        payload: None,
    }
}

/// A settled question: what was asked stands in the stream, how it ended in the world.
fn settled_shown(
    caller: &Caller<'_>,
    session: SessionId,
    title: Option<String>,
    settled: &Settled,
) -> Result<Permission, Failure> {
    let record = question(caller, session, settled.asked)?.ok_or_else(|| unknown(session, &settled.request))?;
    let Event::PermissionRequested(asked) = &record.event else { return Err(unknown(session, &settled.request)) };
    let decision = winner(settled);
    Ok(Permission {
        session_id: session,
        session_title: title,
        request_id: settled.request.clone(),
        state: if decision.is_some() { PermissionState::Decided } else { PermissionState::Cancelled },
        tool: asked.tool.clone(),
        subject: asked.subject.clone(),
        tool_use_id: asked.tool_use.clone(),
        asked_at: record.at.to_string(),
        sequence: settled.asked.0,
        decision,
        payload: render::payload(&record),
    })
}

/// The decision that holds, if it was one.
pub(super) fn winner(settled: &Settled) -> Option<Winner> {
    match &settled.how {
        Settlement::Decided { verdict, by, at, message, .. } => Some(Winner {
            verdict: match verdict {
                Verdict::Allow => Decision::Allow,
                Verdict::Deny => Decision::Deny,
            },
            by: render::author(*by),
            at: at.to_string(),
            message: message.clone(),
        }),
        Settlement::Cancelled => None,
    }
}

/// The record of a question.
fn question(
    caller: &Caller<'_>,
    session: SessionId,
    sequence: Sequence,
) -> Result<Option<std::sync::Arc<Record>>, RelayError> {
    let one = Bounds { records_max: 1, bytes_max: 1 };
    Ok(caller.house.relay.read(Stream::Session(session), sequence, one)?.into_iter().next())
}

/// What the worker sent; nothing when it was trimmed away, which leaves the question answerable.
pub(super) fn request_payload(
    caller: &Caller<'_>,
    session: SessionId,
    sequence: Sequence,
) -> Result<Option<Box<RawValue>>, Failure> {
    match question(caller, session, sequence) {
        Ok(record) => Ok(record.and_then(|record| render::payload(&record))),
        Err(RelayError::Gap { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
