//! Conversations: lists, particulars, creation, titles, archive.

use http::StatusCode;

use super::{
    caller::{Caller, plain_text},
    created,
    error::Failure,
    json,
    messages::{self, Words},
    offers::{self, Wanted},
    page::{Order, Place, Slice},
};
use crate::{
    api::common::Response,
    domain::{
        Command, Outcome, OwnerId, RequestId, SessionId, WorkId,
        command::Refusal,
        event::{Control, SessionCreated, Status},
        limits,
        outbox::Item,
        session,
    },
    relay::RelayError,
    security::{Grant, throttle::ThrottleKind},
    wire::web::{
        Archive, ArchiveMany, ArchiveResult, ArchivedMany, ArrangeSession, CreateSession, Page, QueuedItem, QueuedKind,
        Rule, Session, SessionDetail, SessionStatus, Worker,
    },
};

/// What a list was asked to show.
struct Filter {
    status: Option<SessionStatus>,
    archived: Option<bool>,
    environment: Option<crate::domain::EnvironmentId>,
    /// In lower case.
    title: Option<String>,
}

impl Filter {
    fn of(caller: &Caller<'_>) -> Result<Self, Failure> {
        let status = match caller.call.query("status").as_deref() {
            None => None,
            Some("waiting") => Some(SessionStatus::Waiting),
            Some("working") => Some(SessionStatus::Working),
            Some("idle") => Some(SessionStatus::Idle),
            Some("offline") => Some(SessionStatus::Offline),
            Some("archived") => Some(SessionStatus::Archived),
            Some(_) => return Err(Failure::field("status", "must be waiting, working, idle, offline or archived")),
        };
        let archived = match caller.call.query("archived").as_deref() {
            None if status == Some(SessionStatus::Archived) => None,
            None | Some("false") => Some(false),
            Some("true") => Some(true),
            Some("any") => None,
            Some(_) => return Err(Failure::field("archived", "must be true, false or any")),
        };
        let title = caller.call.query("q").map(|text| text.to_lowercase()).filter(|text| !text.is_empty());
        Ok(Self { status, archived, environment: caller.query("environment")?, title })
    }

    fn lets(&self, found: &session::Session) -> bool {
        self.status.is_none_or(|wanted| status(found) == wanted)
            && self.archived.is_none_or(|wanted| found.archived_at.is_some() == wanted)
            && self.environment.is_none_or(|wanted| found.environment == Some(wanted))
            && self
                .title
                .as_ref()
                .is_none_or(|part| found.title.as_ref().is_some_and(|title| title.to_lowercase().contains(part)))
    }
}

/// The caller's sessions, the one that was active last first.
pub(super) fn list(caller: &Caller<'_>) -> Result<Response, Failure> {
    let (slice, filter) = (Slice::of(caller, Order::NewestFirst)?, Filter::of(caller)?);
    let scope = caller.principal.scope();
    let world = caller.house.relay.world();
    let found = world.sessions().filter(|found| scope.includes(found.owner) && filter.lets(found));
    let (places, next) = slice.cut(found.map(|found| Place::new(found.active_at, found.id.uuid())));
    let shown = places.iter().filter_map(|place| world.session(SessionId::from_uuid(place.id)));
    let items: Vec<Session> = shown.map(summary).collect();
    drop(world);
    Ok(json(StatusCode::OK, &Page { items, next }))
}

pub(super) fn show(caller: &Caller<'_>, id: SessionId) -> Result<Response, Failure> {
    Ok(json(StatusCode::OK, &detail(caller, id)?))
}

pub(super) async fn create(caller: &Caller<'_>) -> Result<Response, Failure> {
    let asked: CreateSession = caller.body()?;
    let owner = match asked.environment_id {
        None => caller.owner()?,
        Some(id) => environment_owner(caller, id)?,
    };
    let Wanted { mode, model, directory, course } = offers::check(caller, &asked)?;
    let CreateSession { environment_id, title, prompt, .. } = asked;
    let particulars = SessionCreated {
        session: SessionId::from_uuid(caller.house.fresh()?),
        owner,
        environment: environment_id,
        title: title.map(|title| plain_text("title", &title, limits::TITLE_BYTES_MAX)).transpose()?,
        source: "api".into(),
        mode,
        model,
        directory,
    };
    let words = prompt.map(|content| Words { field: "prompt", content, attachments: None, message: None });
    let prompt = words.map(|words| messages::prompt(caller, owner, words)).transpose()?;
    let id = begin(caller, particulars, course, prompt).await?;
    Ok(created(&format!("/api/v1/sessions/{id}"), &detail(caller, id)?))
}

/// Begins a session and queues it for its environment.
pub(super) async fn begin(
    caller: &Caller<'_>,
    particulars: SessionCreated,
    course: Vec<(RequestId, Control)>,
    prompt: Option<crate::domain::command::Prompt>,
) -> Result<SessionId, Failure> {
    caller.count(ThrottleKind::Registration)?;
    let work = WorkId::from_uuid(caller.house.fresh()?);
    match caller.submit(Command::CreateSession { particulars, work, course, prompt }).await? {
        Outcome::Session { session } => Ok(session),
        other => Err(Failure::unexpected(&other)),
    }
}

/// A session in an environment belongs to whom the environment belongs to, also when an admin begins it.
pub(super) fn environment_owner(caller: &Caller<'_>, id: crate::domain::EnvironmentId) -> Result<OwnerId, Failure> {
    let owner = caller.house.relay.world().environment(id).map(|found| found.particulars.owner);
    caller.may(Grant::SessionWrite, owner).map_err(|denied| Failure::denied(denied, id))?;
    owner.ok_or_else(|| Failure::absent(id))
}

/// A new title, a pin put in or taken out, or both at once.
pub(super) async fn arrange(caller: &Caller<'_>, id: SessionId) -> Result<Response, Failure> {
    let ArrangeSession { title, pinned } = caller.body()?;
    if title.is_none() && pinned.is_none() {
        return Err(Failure::field("title", "must be there, or pinned"));
    }
    let title = title.map(|title| plain_text("title", &title, limits::TITLE_BYTES_MAX)).transpose()?;
    caller.submit(Command::ArrangeSession { session: id, title, pinned }).await?;
    Ok(json(StatusCode::OK, &detail(caller, id)?))
}

/// Archiving twice is as good as once.
pub(super) async fn archive(caller: &Caller<'_>, id: SessionId) -> Result<Response, Failure> {
    match caller.submit(Command::ArchiveSession { session: id }).await? {
        Outcome::Done => Ok(json(StatusCode::OK, &Archive { id, already: false })),
        Outcome::Unchanged => Ok(json(StatusCode::OK, &Archive { id, already: true })),
        other => Err(Failure::unexpected(&other)),
    }
}

/// Each on its own: one that fails does not keep the others from being put away. Repeating the request is harmless, so
/// it needs no idempotency key, and one key could not name many commands.
pub(super) async fn archive_many(caller: &Caller<'_>) -> Result<Response, Failure> {
    let ArchiveMany { ids } = caller.body()?;
    if ids.is_empty() || ids.len() > limits::BULK_ITEMS_MAX {
        return Err(Failure::field("ids", &format!("must name 1 to {} sessions", limits::BULK_ITEMS_MAX)));
    }
    let each = ids.into_iter().map(|id| archive_one(caller, id));
    // Asked for together, so that they are committed together instead of one sync after the other.
    let results = futures_util::future::join_all(each).await;
    Ok(json(StatusCode::OK, &ArchivedMany { results }))
}

async fn archive_one(caller: &Caller<'_>, id: SessionId) -> ArchiveResult {
    let done = async {
        let owner = caller.house.owner_of(id);
        caller.may(Grant::SessionWrite, owner).map_err(|denied| Failure::denied(denied, id))?;
        let command = Command::ArchiveSession { session: id };
        caller.house.relay.submit(caller.principal.actor(), command).await.map_err(Failure::from)
    };
    match done.await {
        Ok(_) => ArchiveResult { id, archived: true, problem: None },
        Err(failure) => ArchiveResult { id, archived: false, problem: Some(*failure.problem) },
    }
}

/// Whether it waits for a decision.
pub(super) fn is_asking(found: &session::Session) -> bool {
    found.permissions.open().next().is_some()
}

/// What a session is up to. A question outranks the worker's absence: it can be decided while the worker is away.
pub(super) fn status(found: &session::Session) -> SessionStatus {
    let asks = is_asking(found);
    match found.status() {
        _ if found.archived_at.is_some() => SessionStatus::Archived,
        Status::Waiting if asks || found.worker.online => SessionStatus::Waiting,
        _ if !found.worker.online => SessionStatus::Offline,
        Status::Working => SessionStatus::Working,
        Status::Idle | Status::Waiting => SessionStatus::Idle,
    }
}

pub(super) fn summary(found: &session::Session) -> Session {
    Session {
        id: found.id,
        owner_id: found.owner,
        title: found.title.clone(),
        status: status(found),
        environment_id: found.environment,
        directory: found.requested_directory.clone(),
        source: found.source.clone(),
        created_at: found.created_at.to_string(),
        active_at: found.active_at.to_string(),
        archived_at: found.archived_at.map(|at| at.to_string()),
        pinned: found.pinned,
        mode: found.mode.clone().or_else(|| found.requested_mode.clone()),
        model: found.model.clone().or_else(|| found.requested_model.clone()),
        worker: Worker {
            online: found.worker.online,
            epoch: found.worker.epoch,
            changed_at: found.worker.changed_at.map(|at| at.to_string()),
        },
        latest: found.latest.0,
        permissions_open: found.permissions.open().count() as u64,
        queued: found.outbox.len() as u64,
    }
}

fn detail(caller: &Caller<'_>, id: SessionId) -> Result<SessionDetail, Failure> {
    let world = caller.house.relay.world();
    let found = world.session(id).ok_or_else(|| RelayError::from(Refusal::NoSession(id)))?;
    let rule = |rule: &crate::domain::event::Rule| Rule {
        name: rule.name.clone(),
        tool: rule.tool.clone(),
        subject: rule.subject.clone(),
    };
    Ok(SessionDetail {
        session: summary(found),
        requested_mode: found.requested_mode.clone(),
        requested_model: found.requested_model.clone(),
        modes: found.offers.modes.as_ref().map(|offer| offer.ids.clone()),
        models: found.offers.models.as_ref().map(|offer| offer.ids.clone()),
        metadata: found.metadata.clone(),
        rules: found.rules.iter().map(rule).collect(),
        queue: found.outbox.items().map(|(sequence, item)| queued(sequence.0, item)).collect(),
    })
}

fn queued(sequence: u64, item: &Item) -> QueuedItem {
    let (kind, message_id, request_id) = match item {
        Item::Prompt { message, .. } => (QueuedKind::Message, Some(*message), None),
        Item::Answer { request, .. } => (QueuedKind::Answer, None, Some(request.clone())),
        Item::Control { request, .. } => (QueuedKind::Control, None, Some(request.clone())),
    };
    QueuedItem { sequence, kind, delivered: item.is_delivered(), message_id, request_id }
}
