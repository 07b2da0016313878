//! A conversation with an agent: whose it is, where it runs, what state it is in.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::{
    command::{Outcome, Prompt, Refusal},
    decide::{Context, Decided},
    envelope::{Draft, Record, Sequence, Timestamp},
    environment::{self, Environment},
    event::{Control, Event, Offers, Rule, SessionCreated, Status},
    id::{EnvironmentId, MessageId, OwnerId, RequestId, SessionId, WorkId},
    limits,
    outbox::{Item, Outbox},
    permission::Permissions,
    stream::Stream,
    work,
    world::World,
};

/// A conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: SessionId,
    pub owner: OwnerId,
    pub environment: Option<EnvironmentId>,
    pub title: Option<String>,
    pub source: String,
    pub created_at: Timestamp,
    pub archived_at: Option<Timestamp>,
    /// People want it before the others.
    pub pinned: bool,
    /// What was asked for at creation; see `mode` and `model` for what the worker confirmed.
    pub requested_mode: Option<String>,
    pub requested_model: Option<String>,
    pub requested_directory: Option<String>,
    pub mode: Option<String>,
    pub model: Option<String>,
    /// What the agent is doing, as far as its worker told. An open question outranks it; see [`Session::status`].
    pub(super) reported: Status,
    pub worker: Worker,
    /// Under which id of its own the agent has it, once it said so.
    pub bound: Option<Bound>,
    /// What the agent lets people choose from in it.
    pub offers: Offers,
    /// Where its last prompt was handed over: there its last turn began.
    pub handed_over: Sequence,
    /// Its agent's line was cut in the middle of that turn.
    pub torn: bool,
    /// Ranges of its stream that later records tell better.
    pub retold: VecDeque<(Sequence, Sequence)>,
    /// The worker's merged metadata.
    pub metadata: Map<String, Value>,
    pub outbox: Outbox,
    /// Prompts that the worker reported as consumed and did not echo yet, oldest first.
    pub(super) unechoed: VecDeque<MessageId>,
    pub permissions: Permissions,
    pub rules: Vec<Rule>,
    /// The last record of the stream.
    pub latest: Sequence,
    /// When that was.
    pub active_at: Timestamp,
}

/// How the agent calls a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub foreign: String,
    /// Where the record stands that holds what the agent said of it.
    pub sequence: Sequence,
    /// Where the one stands in which it said most: some links say less when they come back to a conversation.
    pub described: Sequence,
}

/// The process that runs the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worker {
    /// Goes up by one each time a worker takes the session; 0 before the first.
    pub epoch: u64,
    pub online: bool,
    /// When `online` last changed.
    pub changed_at: Option<Timestamp>,
}

impl Session {
    /// What the agent is doing: a function of the log and nothing else.
    pub fn status(&self) -> Status {
        if self.permissions.open().next().is_some() { Status::Waiting } else { self.reported }
    }

    /// The last record before the first one whose words somebody still waits for: a prompt, an answer or a change of
    /// course that the worker has not confirmed, a question that nobody has answered.
    pub fn unneeded_until(&self) -> Sequence {
        let waiting = self.outbox.items().map(|(sequence, _)| sequence);
        // An answer is sent with the input that its question came with.
        let asked = self.outbox.items().filter_map(|(_, item)| match item {
            Item::Answer { request, .. } => self.permissions.get_settled(request).map(|settled| settled.asked),
            Item::Prompt { .. } | Item::Control { .. } => None,
        });
        let open = self.permissions.open().map(|open| open.sequence);
        let first = waiting.chain(asked).chain(open).min();
        first.map_or(Sequence(u64::MAX), |first| Sequence(first.0.saturating_sub(1)))
    }

    pub(super) fn observe(&mut self, latest: Sequence, at: Timestamp) {
        self.latest = self.latest.max(latest);
        self.active_at = self.active_at.max(at);
    }

    /// The record that brings the reported status to `status`, if it is not there.
    pub(super) fn status_draft(&self, status: Status) -> Option<Draft> {
        let event = Event::StatusChanged { session: self.id, status };
        (self.reported != status).then(|| Draft::new(Stream::Session(self.id), event))
    }

    pub(super) fn draft(&self, event: Event) -> Draft {
        Draft::new(Stream::Session(self.id), event)
    }

    pub(super) fn apply(&mut self, record: &Record) {
        let at = record.at;
        if matches!(record.event, Event::MessageDelivered { .. }) {
            self.handed_over = record.sequence;
        }
        match &record.event {
            Event::SessionRenamed { title, .. } => self.title = Some(title.clone()),
            Event::SessionPinned { pinned, .. } => self.pinned = *pinned,
            Event::SessionArchived { .. } => {
                self.archived_at = Some(at);
                self.pinned = false;
            }
            Event::WorkerAttached { epoch, .. } => self.worker.epoch = *epoch,
            Event::WorkerOnline { .. } => self.turn(true, at),
            Event::WorkerOffline { .. } => self.turn(false, at),
            Event::StatusChanged { status, .. } => self.reported = *status,
            Event::MetadataPatched { .. } => self.patch_metadata(&record.payload),
            Event::ModeConfirmed { mode, .. } => self.mode = Some(mode.clone()),
            Event::ModelConfirmed { model, .. } => self.model = Some(model.clone()),
            Event::RuleAdded { rule, .. } => self.rules.push(rule.clone()),
            Event::MessageConsumed { message, reported, .. } => {
                self.outbox.apply(record);
                self.unechoed.retain(|known| known != message);
                if *reported {
                    // An echo that is so late has no turn any more.
                    if self.unechoed.len() == limits::UNECHOED_MAX {
                        self.unechoed.pop_front();
                    }
                    self.unechoed.push_back(*message);
                }
            }
            Event::TurnTorn { .. } => self.torn = true,
            Event::TurnRetold { from, through, .. } => {
                self.torn = false;
                if self.retold.len() == limits::TURNS_RETOLD_MAX {
                    self.retold.pop_front();
                }
                self.retold.extend((*through > Sequence::ZERO).then_some((*from, *through)));
            }
            Event::SessionBound { foreign, offers, .. } => {
                let before = self.bound.as_ref().filter(|before| before.foreign == *foreign);
                // Another conversation at the agent offers what it says itself.
                let known = before.map(|_| std::mem::take(&mut self.offers)).unwrap_or_default();
                let described = before.filter(|_| offers.says_less_than(&known));
                let described = described.map_or(record.sequence, |before| before.described);
                self.offers = known;
                self.offers.learn(offers);
                self.bound = Some(Bound { foreign: foreign.clone(), sequence: record.sequence, described });
            }
            _ => {
                self.outbox.apply(record);
                self.permissions.apply(record);
            }
        }
    }

    fn turn(&mut self, online: bool, at: Timestamp) {
        if self.worker.online != online {
            self.worker.online = online;
            self.worker.changed_at = Some(at);
        }
    }

    /// RFC 7396, one level deep as the clients use it: null deletes, anything else replaces. A patch that is no object
    /// was never recorded.
    fn patch_metadata(&mut self, payload: &[u8]) {
        let Ok(patch) = serde_json::from_slice::<Map<String, Value>>(payload) else { return };
        merge(&mut self.metadata, patch);
    }
}

/// RFC 7396 on an object.
pub(super) fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(inner) => {
                let slot = target.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(slot) = slot {
                    merge(slot, inner);
                }
            }
            other => {
                target.insert(name, other);
            }
        }
    }
}

pub(super) fn find(world: &World, id: SessionId) -> Result<&Session, Refusal> {
    world.sessions.get(&id).ok_or(Refusal::NoSession(id))
}

pub(super) fn open(world: &World, id: SessionId) -> Result<&Session, Refusal> {
    let session = find(world, id)?;
    if session.archived_at.is_some() { Err(Refusal::Archived(id)) } else { Ok(session) }
}

pub(super) fn create(
    world: &World,
    particulars: SessionCreated,
    work: WorkId,
    course: Vec<(RequestId, Control)>,
    prompt: Option<Prompt>,
) -> Result<Decided, Refusal> {
    if world.sessions.len() >= limits::SESSIONS_MAX {
        return Err(Refusal::Full { what: "the list of sessions", max: limits::SESSIONS_MAX });
    }
    let session = particulars.session;
    if world.sessions.contains_key(&session) {
        return Err(Refusal::KeyReused { what: session.to_string() });
    }
    let stream = Stream::Session(session);
    let environment = particulars.environment;
    let owner = particulars.owner;
    let mut drafts = vec![Draft::new(stream, Event::SessionCreated(particulars))];
    if let Some(id) = environment {
        let environment = environment::active(world, id)?;
        if environment.particulars.owner != owner {
            return Err(Refusal::NoEnvironment(id));
        }
        drafts.extend(engage(environment, work, session)?);
    }
    let asked = |(request, control)| Draft::new(stream, Event::ControlRequested { session, request, control });
    drafts.extend(course.into_iter().map(asked));
    if let Some(Prompt { message, key, fingerprint, payload }) = prompt {
        let event = Event::MessagePosted { session, message, fingerprint };
        drafts.push(Draft::new(stream, event).with_key(Some(key)).with_payload(payload));
    }
    Ok(Decided { drafts, outcome: Outcome::Session { session } })
}

/// What makes an environment look at a new session. Whoever holds an agent's line is the worker of all its
/// conversations and takes no work, but listens for it: an item that is done at once calls it. Nobody calls an agent
/// that is away: it looks at all that waits when it comes.
fn engage(environment: &Environment, work: WorkId, session: SessionId) -> Result<Vec<Draft>, Refusal> {
    let id = environment.particulars.environment;
    let full = |what, max| Err(Refusal::Full { what, max });
    match &environment.agent {
        Some(agent) if agent.sessions.len() >= limits::AGENT_SESSIONS_MAX => {
            full("the agent's list of sessions", limits::AGENT_SESSIONS_MAX)
        }
        Some(_) if environment.online => Ok(vec![
            Draft::new(Stream::Session(session), Event::WorkerOnline { session }),
            work::queued(id, work, session),
            Draft::new(Stream::Environment(id), Event::WorkDone { environment: id, work, wanted: false }),
        ]),
        Some(_) => Ok(Vec::new()),
        None if environment.work.items().len() >= limits::WORK_QUEUED_MAX => {
            full("the environment's queue", limits::WORK_QUEUED_MAX)
        }
        None => Ok(vec![work::queued(id, work, session)]),
    }
}

/// The records of a new title and of a pin put in or taken out, without those that would change nothing. What was put
/// away stands nowhere, so it cannot stand first.
pub(super) fn arrange(
    world: &World,
    session: SessionId,
    title: Option<String>,
    pinned: Option<bool>,
) -> Result<Decided, Refusal> {
    let found = find(world, session)?;
    let mut drafts = Vec::new();
    if let Some(title) = title.filter(|title| found.title.as_ref() != Some(title)) {
        drafts.push(found.draft(Event::SessionRenamed { session, title }));
    }
    if let Some(pinned) = pinned.filter(|pinned| found.pinned != *pinned) {
        open(world, session)?;
        drafts.push(found.draft(Event::SessionPinned { session, pinned }));
    }
    let outcome = if drafts.is_empty() { Outcome::Unchanged } else { Outcome::Done };
    Ok(Decided { drafts, outcome })
}

pub(super) fn archive(world: &World, session: SessionId) -> Result<Decided, Refusal> {
    let found = find(world, session)?;
    if found.archived_at.is_some() {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    let cancel =
        |request: &super::RequestId| found.draft(Event::PermissionCancelled { session, request: request.clone() });
    let mut drafts: Vec<Draft> = found.permissions.open().map(|open| cancel(&open.request)).collect();
    drafts.push(found.draft(Event::SessionArchived { session }));
    drafts.extend(found.status_draft(Status::Idle));
    drafts.extend(work::finish_session(world, session));
    Ok(Decided { drafts, outcome: Outcome::Done })
}

/// The records that a new worker connection, a heartbeat or a lapse cause.
pub(super) fn attach_worker(world: &World, session: SessionId) -> Result<Decided, Refusal> {
    let found = open(world, session)?;
    let epoch = found.worker.epoch.saturating_add(1);
    Ok(Decided::one(found.draft(Event::WorkerAttached { session, epoch }), Outcome::Attached { epoch }))
}

pub(super) fn worker_seen(world: &World, session: SessionId) -> Result<Decided, Refusal> {
    let found = find(world, session)?;
    if found.worker.online {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Ok(Decided::one(found.draft(Event::WorkerOnline { session }), Outcome::Done))
}

pub(super) fn worker_lost(world: &World, session: SessionId) -> Result<Decided, Refusal> {
    let found = find(world, session)?;
    if !found.worker.online {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Ok(Decided { drafts: offline(found), outcome: Outcome::Done })
}

/// The record of a worker that came.
pub(super) fn online(found: &Session) -> Draft {
    found.draft(Event::WorkerOnline { session: found.id })
}

/// The records of a worker that went; none if it was not there.
pub(super) fn offline(found: &Session) -> Vec<Draft> {
    let session = found.id;
    if !found.worker.online {
        return Vec::new();
    }
    let dropped = |request| found.draft(Event::ControlDropped { session, request });
    let mut drafts = vec![found.draft(Event::WorkerOffline { session })];
    drafts.extend(found.outbox.lapsing().map(dropped));
    drafts
}

/// A worker of an older epoch was superseded; one that names none (v1) is whoever holds a token of the session. One of
/// a later epoch is ahead of a journal that was restored from a backup: it is the newest there is, and refusing it
/// would end it for good.
pub fn check_epoch(session: &Session, epoch: Option<u64>) -> Result<(), Refusal> {
    let current = session.worker.epoch;
    match epoch {
        Some(given) if given < current => Err(Refusal::Superseded { session: session.id, given, current }),
        _ => Ok(()),
    }
}

pub(super) fn report(
    world: &World,
    context: &Context<'_>,
    session: SessionId,
    epoch: Option<u64>,
    report: super::command::WorkerReport,
) -> Result<Decided, Refusal> {
    let found = find(world, session)?;
    check_epoch(found, epoch)?;
    let mut drafts = Vec::new();
    drafts.extend(report.status.and_then(|status| found.status_draft(status)));
    drafts.extend(confirmations(found, report.mode, report.model));
    if let Some((payload, patch)) = report.metadata {
        let mut merged = found.metadata.clone();
        merge(&mut merged, patch);
        let size = serde_json::to_vec(&merged).map_or(usize::MAX, |bytes| bytes.len());
        if size > limits::METADATA_BYTES_MAX {
            return Err(Refusal::Full { what: "the worker's metadata", max: limits::METADATA_BYTES_MAX });
        }
        if merged != found.metadata {
            drafts.push(found.draft(Event::MetadataPatched { session }).with_payload(payload));
        }
    }
    if !found.worker.online && context.is_from_worker() {
        drafts.push(found.draft(Event::WorkerOnline { session }));
    }
    Ok(Decided { drafts, outcome: Outcome::Done })
}

/// Records for a mode or model that the worker named as in force, if it was not known to be.
pub(super) fn confirmations(
    session: &Session,
    mode: Option<String>,
    model: Option<String>,
) -> impl Iterator<Item = Draft> {
    let id = session.id;
    let mode = mode.filter(|mode| session.mode.as_ref() != Some(mode));
    let model = model.filter(|model| session.model.as_ref() != Some(model));
    let mode = mode.map(|mode| Event::ModeConfirmed { session: id, mode });
    let model = model.map(|model| Event::ModelConfirmed { session: id, model });
    mode.into_iter().chain(model).map(move |event| Draft::new(Stream::Session(id), event))
}

pub(super) fn apply_created(world: &mut World, record: &Record) {
    let Event::SessionCreated(created) = &record.event else { return };
    let session = Session {
        id: created.session,
        owner: created.owner,
        environment: created.environment,
        title: created.title.clone(),
        source: created.source.clone(),
        created_at: record.at,
        archived_at: None,
        pinned: false,
        requested_mode: created.mode.clone(),
        requested_model: created.model.clone(),
        requested_directory: created.directory.clone(),
        mode: None,
        model: None,
        reported: Status::Idle,
        worker: Worker::default(),
        bound: None,
        offers: Offers::default(),
        handed_over: Sequence::ZERO,
        torn: false,
        retold: VecDeque::new(),
        metadata: Map::new(),
        outbox: Outbox::default(),
        unechoed: VecDeque::new(),
        permissions: Permissions::default(),
        rules: Vec::new(),
        latest: record.sequence,
        active_at: record.at,
    };
    world.sessions.insert(created.session, session);
}
