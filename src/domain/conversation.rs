//! What is said: prompts on their way to the agent, its messages on their way to us, and the receipts between.

use std::collections::HashSet;

use bytes::Bytes;

use super::{
    agent,
    command::{
        DeliveryRef, DeliveryStage, DeliveryUpdate, Incoming, Meaning, Outcome, Prompt, Refusal, Said, TranscriptEntry,
    },
    decide::{Context, Decided},
    envelope::{DedupeKey, Draft, Sequence},
    event::{Control, Event, MessageKind, Status},
    id::{MessageId, RequestId, SessionId, WorkId},
    limits,
    outbox::Item,
    permission,
    session::{self, Session},
    stream::Stream,
    work,
    world::World,
};

/// What resets the model: a wish, and no name of one.
const DEFAULT_MODEL: &str = "default";

pub(super) fn post(
    world: &World,
    context: &Context<'_>,
    id: SessionId,
    prompt: Prompt,
    work: WorkId,
) -> Result<Decided, Refusal> {
    let found = session::find(world, id)?;
    let Prompt { message, key, fingerprint, payload } = prompt;
    if let Some(sequence) = context.known(Stream::Session(id), key) {
        return match found.outbox.get(sequence) {
            Some(Item::Prompt { fingerprint: first, .. }) if *first != fingerprint => {
                Err(Refusal::KeyReused { what: format!("message id {message}") })
            }
            _ => Ok(Decided::nothing(Outcome::Posted { message, sequence })),
        };
    }
    let found = session::open(world, id)?;
    if found.outbox.len() >= limits::OUTBOX_ITEMS_MAX {
        return Err(Refusal::Full { what: "the queue for the session's worker", max: limits::OUTBOX_ITEMS_MAX });
    }
    let event = Event::MessagePosted { session: id, message, fingerprint };
    let mut drafts = vec![found.draft(event).with_key(Some(key)).with_payload(payload)];
    drafts.extend(work::wake_worker(world, context, id, work));
    Ok(Decided { drafts, outcome: Outcome::Posted { message, sequence: Sequence::ZERO } })
}

pub(super) fn cancel(world: &World, id: SessionId, message: MessageId) -> Result<Decided, Refusal> {
    let found = session::find(world, id)?;
    match found.outbox.prompt(message) {
        None => Err(Refusal::NoMessage { session: id, message }),
        Some((_, item)) if item.is_delivered() => Err(Refusal::AlreadyDelivered { message }),
        Some(_) => Ok(Decided::one(found.draft(Event::MessageCancelled { session: id, message }), Outcome::Done)),
    }
}

pub(super) fn receive(
    world: &World,
    context: &Context<'_>,
    id: SessionId,
    epoch: Option<u64>,
    messages: Vec<Incoming>,
) -> Result<Decided, Refusal> {
    let found = session::find(world, id)?;
    session::check_epoch(found, epoch)?;
    let stream = Stream::Session(id);
    let mut turn = Turn {
        session: found,
        drafts: Vec::with_capacity(messages.len()),
        asked: Vec::new(),
        settled: Vec::new(),
        echoed: Vec::new(),
        status: None,
    };
    let (mut fresh, mut known) = (0, 0);
    let mut batch: HashSet<DedupeKey> = HashSet::new();
    for Incoming { key, payload, meaning } in messages {
        if key.is_some_and(|key| context.known(stream, key).is_some() || !batch.insert(key)) {
            known += 1;
            turn.settle_echo(&meaning);
        } else {
            fresh += 1;
            turn.take(Envelope { stream, key, payload }, meaning);
        }
    }
    let Turn { mut drafts, status, .. } = turn;
    drafts.extend(status.and_then(|status| found.status_draft(status)));
    if !found.worker.online && !drafts.is_empty() && found.archived_at.is_none() && context.is_from_worker() {
        drafts.push(found.draft(Event::WorkerOnline { session: id }));
    }
    Ok(Decided { drafts, outcome: Outcome::Received { fresh, known } })
}

/// A message's outside, until it is known which event it becomes.
struct Envelope {
    stream: Stream,
    key: Option<DedupeKey>,
    payload: Bytes,
}

impl Envelope {
    fn seal(self, event: Event) -> Draft {
        Draft::new(self.stream, event).with_key(self.key).with_payload(self.payload)
    }
}

/// The mode and the model after a worker's "done": what it named, else what it was asked for. Children name them,
/// terminals say no more than "done".
fn in_force(asked: Option<&Control>, mode: Option<String>, model: Option<String>) -> (Option<String>, Option<String>) {
    match asked {
        Some(Control::SetPermissionMode { mode: wanted }) => (mode.or_else(|| Some(wanted.clone())), model),
        // Which model the default is, the next turn tells.
        Some(Control::SetModel { model: wanted }) if wanted != DEFAULT_MODEL => {
            (mode, model.or_else(|| Some(wanted.clone())))
        }
        _ => (mode, model),
    }
}

/// One batch of a worker's messages, as it is turned into records.
struct Turn<'a> {
    session: &'a Session,
    drafts: Vec<Draft>,
    /// Questions of this very batch, which the world does not know yet.
    asked: Vec<RequestId>,
    /// Questions that this batch settled, which the world does not know either.
    settled: Vec<RequestId>,
    /// Prompts whose echo this batch brought, or made pointless.
    echoed: Vec<MessageId>,
    /// Where the batch leaves the status.
    status: Option<Status>,
}

impl Turn<'_> {
    fn take(&mut self, envelope: Envelope, meaning: Meaning) {
        let id = self.session.id;
        match meaning {
            Meaning::Said(said) => self.said(envelope, said),
            Meaning::Asks(asked) => {
                if !self.is_open(&asked.request) {
                    self.asked.push(asked.request.clone());
                    let draft = envelope.seal(Event::PermissionRequested(asked.clone()));
                    self.drafts.push(draft);
                    if let Some(decided) = permission::by_rule(self.session, &asked) {
                        self.settled.push(asked.request);
                        self.drafts.push(decided);
                    }
                }
            }
            Meaning::TakesBack(request) => {
                if self.is_open(&request) {
                    self.settled.push(request.clone());
                    self.drafts.push(envelope.seal(Event::PermissionCancelled { session: id, request }));
                }
            }
            Meaning::Answers { request, ok, mode, model } => {
                let asked = self.session.outbox.control(&request).map(|(_, control)| control);
                let (mode, model) = in_force(asked.filter(|_| ok), mode, model);
                self.drafts.extend(session::confirmations(self.session, mode, model));
                let event = match asked {
                    Some(_) => Event::ControlAnswered { session: id, request, ok },
                    None => Event::MessageReceived { message: None, kind: MessageKind::Control, ephemeral: false },
                };
                self.drafts.push(envelope.seal(event));
            }
            Meaning::Mirrors { request, verdict } => {
                let open = self.is_open(&request);
                if open {
                    self.settled.push(request.clone());
                }
                if let Some(event) = permission::mirror(self.session, open, &request, verdict) {
                    // Decided at the terminal: the worker has it and must not be sent it.
                    let has_it = matches!(event, Event::PermissionDecided(_));
                    self.drafts.push(envelope.seal(event));
                    if has_it {
                        let event = Event::PermissionDelivered { session: id, request };
                        self.drafts.push(self.session.draft(event));
                    }
                }
            }
        }
    }

    fn is_open(&self, request: &RequestId) -> bool {
        let asked = self.session.permissions.get_open(request).is_some() || self.asked.contains(request);
        asked && !self.settled.contains(request)
    }

    fn said(&mut self, envelope: Envelope, said: Said) {
        let Said { message, kind, ephemeral, status, mode, model, tool_results } = said;
        self.drafts.push(envelope.seal(Event::MessageReceived { message, kind, ephemeral }));
        let over = kind == MessageKind::Result;
        if over && self.status.unwrap_or(self.session.reported) == Status::Idle {
            self.overtake_echoes();
        }
        // A child names its model when it begins a turn, and echoes the prompt when the first answer is whole: until
        // then this is all that shows that it works. Without a prompt on its way it has merely come back.
        let begins = kind == MessageKind::System && model.is_some() && self.session.outbox.has_prompt();
        self.drafts.extend(session::confirmations(self.session, mode, model));
        self.status = status.or(begins.then_some(Status::Working)).or(self.status);
        if over || !tool_results.is_empty() {
            self.settle_answers(|tool_use| over || tool_results.iter().any(|id| id == tool_use));
        }
    }

    /// A tool that brought its result, or a turn that ended, has used its answers.
    fn settle_answers(&mut self, used: impl Fn(&str) -> bool) {
        let id = self.session.id;
        for (_, item) in self.session.outbox.items() {
            let Item::Answer { request, .. } = item else { continue };
            let tool_use = self.session.permissions.get_settled(request).and_then(|found| found.tool_use.as_deref());
            if used(tool_use.unwrap_or_default()) {
                let event = Event::PermissionDelivered { session: id, request: request.clone() };
                self.drafts.push(self.session.draft(event));
            }
        }
    }

    /// A prompt that comes back is its own receipt: the agent has it. Its echo also says whether a turn begins with it,
    /// which a report of its consumption does not: a slash command is consumed too. The report often comes first.
    ///
    /// An echo counts once. Workers repeat whole batches, and some echo a prompt again when its turn is over.
    fn settle_echo(&mut self, meaning: &Meaning) {
        let Meaning::Said(Said { message: Some(message), kind: MessageKind::User, status, .. }) = meaning else {
            return;
        };
        let awaited = self.session.outbox.prompt(*message).is_some() || self.session.unechoed.contains(message);
        if awaited && !self.echoed.contains(message) {
            self.consumed(*message);
            self.status = status.or(self.status);
        }
    }

    /// A result while nothing was seen to be under way: the turn that it ends is of a prompt whose echo it overtook.
    /// That echo, when it comes, begins nothing.
    fn overtake_echoes(&mut self) {
        for message in &self.session.unechoed {
            if !self.echoed.contains(message) {
                self.consumed(*message);
            }
        }
    }

    fn consumed(&mut self, message: MessageId) {
        self.echoed.push(message);
        let event = Event::MessageConsumed { session: self.session.id, message, reported: false };
        self.drafts.push(self.session.draft(event));
    }
}

pub(super) fn append_transcript(
    world: &World,
    context: &Context<'_>,
    id: SessionId,
    epoch: Option<u64>,
    entries: Vec<TranscriptEntry>,
) -> Result<Decided, Refusal> {
    let found = session::find(world, id)?;
    session::check_epoch(found, epoch)?;
    let stream = Stream::Transcript(id);
    let mut batch: HashSet<DedupeKey> = HashSet::new();
    let mut drafts = Vec::with_capacity(entries.len());
    let total = entries.len();
    for TranscriptEntry { key, message, compaction, agent, payload } in entries {
        if key.is_some_and(|key| context.known(stream, key).is_some() || !batch.insert(key)) {
            continue;
        }
        let event = Event::TranscriptAppended { session: id, message, compaction, agent };
        drafts.push(Draft::new(stream, event).with_key(key).with_payload(payload));
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let outcome = Outcome::Received { fresh: count(drafts.len()), known: count(total - drafts.len()) };
    Ok(Decided { drafts, outcome })
}

pub(super) fn report_delivery(
    world: &World,
    id: SessionId,
    epoch: Option<u64>,
    updates: &[DeliveryUpdate],
) -> Result<Decided, Refusal> {
    let found = session::find(world, id)?;
    session::check_epoch(found, epoch)?;
    let mut drafts = Vec::new();
    for update in updates {
        let item = match update.item {
            DeliveryRef::Sequence(sequence) => found.outbox.get(sequence),
            DeliveryRef::Message(message) => found.outbox.prompt(message).map(|(_, item)| item),
        };
        drafts.extend(item.and_then(|item| receipt(found, item, update.stage)));
    }
    drafts.dedup();
    Ok(Decided { drafts, outcome: Outcome::Done })
}

/// What a delivery report adds to what is known of an item. A control request is settled by its answer, not by this.
fn receipt(session: &Session, item: &Item, stage: DeliveryStage) -> Option<Draft> {
    let id = session.id;
    let event = match (item, stage) {
        (Item::Prompt { message, delivered: false, .. }, DeliveryStage::Received) => {
            Event::MessageDelivered { session: id, message: *message }
        }
        (Item::Prompt { message, .. }, DeliveryStage::Processing | DeliveryStage::Processed) => {
            Event::MessageConsumed { session: id, message: *message, reported: true }
        }
        (Item::Answer { request, .. }, DeliveryStage::Processed) => {
            Event::PermissionDelivered { session: id, request: request.clone() }
        }
        _ => return None,
    };
    Some(session.draft(event))
}

pub(super) fn mark_delivered(world: &World, id: SessionId, items: &[Sequence]) -> Result<Decided, Refusal> {
    let found = session::find(world, id)?;
    let mut drafts = Vec::with_capacity(items.len());
    for sequence in items {
        let event = match found.outbox.get(*sequence) {
            Some(Item::Prompt { message, delivered: false, .. }) => {
                Event::MessageDelivered { session: id, message: *message }
            }
            Some(Item::Control { request, delivered: false, .. }) => {
                Event::ControlDelivered { session: id, request: request.clone() }
            }
            _ => continue,
        };
        drafts.push(found.draft(event));
    }
    Ok(Decided { drafts, outcome: Outcome::Done })
}

pub(super) fn request_control(
    world: &World,
    id: SessionId,
    request: RequestId,
    control: Control,
) -> Result<Decided, Refusal> {
    let found = session::open(world, id)?;
    if let Some((sequence, same)) = found.outbox.control(&request) {
        if *same != control {
            return Err(Refusal::KeyReused { what: format!("control request id {request}") });
        }
        return Ok(Decided::nothing(Outcome::Requested { request, sequence }));
    }
    if found.outbox.len() >= limits::OUTBOX_ITEMS_MAX {
        return Err(Refusal::Full { what: "the queue for the session's worker", max: limits::OUTBOX_ITEMS_MAX });
    }
    agent::check_course(world, found, &control)?;
    let interrupt = matches!(control, Control::Interrupt);
    if interrupt && !found.worker.online {
        return Err(Refusal::WorkerOffline(id));
    }
    // The answers first: a REPL that is interrupted forgets who asked, leaves its question on the screen, and waits
    // there.
    let mut drafts: Vec<Draft> = if interrupt { permission::deny_all(found).collect() } else { Vec::new() };
    let sequence = drafts.iter().fold(found.latest, |place, _| place.next()).next();
    drafts.push(found.draft(Event::ControlRequested { session: id, request: request.clone(), control }));
    Ok(Decided { drafts, outcome: Outcome::Requested { request, sequence } })
}
