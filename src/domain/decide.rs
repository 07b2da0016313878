//! The one door of the domain: a command, the world and what the caller knows become records or a refusal.

use std::collections::HashMap;

use bytes::Bytes;

use super::{
    agent,
    command::{Command, Outcome, Refusal},
    conversation, device,
    envelope::{Actor, DedupeKey, Draft, Sequence, Timestamp},
    environment,
    event::{Event, FileStored},
    key, notify, permission, session,
    stream::Stream,
    subscription, user_stream, work,
    world::World,
};

/// What a decision may rest on beside the world: the moment, who asks, and which of the command's keys are taken.
#[derive(Debug)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub actor: Actor,
    /// Of the keys that [`Command::keys`] names, those that are in the journal, with their place.
    pub known: &'a HashMap<(Stream, DedupeKey), Sequence>,
}

impl Context<'_> {
    pub(super) fn known(&self, stream: Stream, key: DedupeKey) -> Option<Sequence> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&(stream, key)).copied()
    }

    pub(super) const fn is_from_worker(&self) -> bool {
        matches!(self.actor, Actor::Worker(_) | Actor::Key(_))
    }
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The records to append, in order; the outcome speaks of the first one.
    pub drafts: Vec<Draft>,
    /// What to answer. A sequence in it that is zero stands for the first record's, which is not known yet.
    pub outcome: Outcome,
}

impl Decided {
    pub(super) fn one(draft: Draft, outcome: Outcome) -> Self {
        Self { drafts: vec![draft], outcome }
    }

    pub(super) const fn nothing(outcome: Outcome) -> Self {
        Self { drafts: Vec::new(), outcome }
    }
}

impl Outcome {
    /// The outcome with the place of its record filled in.
    #[must_use]
    pub fn placed(mut self, first: Sequence) -> Self {
        match &mut self {
            Self::Posted { sequence, .. } | Self::Decided { sequence } | Self::Requested { sequence, .. }
                if *sequence == Sequence::ZERO =>
            {
                *sequence = first;
            }
            _ => {}
        }
        self
    }
}

impl Command {
    /// The keys that the decision depends on: the caller looks them up and passes those that are taken.
    pub fn keys(&self) -> Vec<(Stream, DedupeKey)> {
        match self {
            Self::PostMessage { session, prompt, .. } => vec![(Stream::Session(*session), prompt.key)],
            Self::Receive { session, messages, .. } => {
                let keys = messages.iter().filter_map(|message| message.key);
                keys.map(|key| (Stream::Session(*session), key)).collect()
            }
            Self::AppendTranscript { session, entries, .. } => {
                let keys = entries.iter().filter_map(|entry| entry.key);
                keys.map(|key| (Stream::Transcript(*session), key)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Decides. Pure and total: it changes nothing and every command gets records or a refusal.
pub fn decide(world: &World, context: &Context<'_>, command: Command) -> Result<Decided, Refusal> {
    let mut decided = consider(world, context, command)?;
    subscription::follow(world, context, &mut decided.drafts);
    Ok(decided)
}

/// A file is there once its last record is: whoever sees that one finds all pieces before it.
fn store(stored: FileStored, chunks: Vec<Bytes>) -> Decided {
    let file = stored.file;
    let stream = Stream::File(file);
    let chunk = |bytes| Draft::new(stream, Event::FileChunk { file }).with_payload(bytes);
    let mut drafts: Vec<Draft> = chunks.into_iter().map(chunk).collect();
    drafts.push(Draft::new(stream, Event::FileStored(stored)));
    Decided { drafts, outcome: Outcome::File { file } }
}

fn consider(world: &World, context: &Context<'_>, command: Command) -> Result<Decided, Refusal> {
    match command {
        Command::CreateKey(created) => key::create(world, created),
        Command::ConfigureKeys(configured) => Ok(key::configure(world, &configured)),
        Command::RevokeKey { key } => key::revoke(world, key),
        Command::NoteKeyUse { key } => key::note_use(world, context, key),
        Command::CreateLoginLink(created) => device::create_link(world, context, created),
        Command::SignIn(signed_in) => device::sign_in(world, context, signed_in),
        Command::SignOut { devices } => Ok(device::sign_out(world, &devices)),
        Command::RenameDevice { device, name } => device::rename(world, device, name),
        Command::NoteDeviceUse { device } => Ok(device::note_use(world, context, device)),
        Command::RegisterEnvironment { particulars, reattach } => environment::register(world, particulars, reattach),
        Command::RegisterAgent { particulars, session, linked } => {
            agent::register(world, context, particulars, session, &linked)
        }
        Command::IdentifyAgent { environment, session, linked } => {
            agent::identify(world, context, environment, session, &linked)
        }
        Command::ReportAgent { report, payload, notice } => agent::report(world, report, payload, &notice),
        Command::SwitchAgent { environment } => agent::switch(world, environment),
        Command::BindSession { environment, session, foreign, offers, payload } => {
            agent::bind(world, environment, session, foreign, offers, payload)
        }
        Command::BeginTurn { environment, session, prompt } => agent::begin_turn(world, environment, session, prompt),
        Command::TearTurn { session, payload } => agent::tear_turn(world, session, payload),
        Command::RetellTurn { session, pieces } => agent::retell_turn(world, session, pieces),
        Command::EndTurn { session, payload } => agent::end_turn(world, session, payload),
        Command::EnvironmentSeen { environment } => environment::seen(world, environment),
        Command::EnvironmentLost { environment } => environment::lost(world, environment),
        Command::DeregisterEnvironment { environment } => environment::deregister(world, environment),
        Command::LeaseWork { environment, reclaim_after_ms, fresh } => {
            work::lease(world, context, environment, reclaim_after_ms, fresh)
        }
        Command::AckWork { environment, work } => work::ack(world, environment, work),
        Command::ReturnWork { environment, work } => work::give_back(world, environment, work),
        Command::StopWork { environment, work, force } => work::stop(world, environment, work, force),
        Command::RedispatchSession { environment, session, work } => {
            work::redispatch(world, environment, session, work)
        }
        Command::CreateSession { particulars, work, course, prompt } => {
            session::create(world, particulars, work, course, prompt)
        }
        Command::ArrangeSession { session, title, pinned } => session::arrange(world, session, title, pinned),
        Command::ArchiveSession { session } => session::archive(world, session),
        Command::AttachWorker { session } => session::attach_worker(world, session),
        Command::WorkerSeen { session } => session::worker_seen(world, session),
        Command::WorkerLost { session } => session::worker_lost(world, session),
        Command::ReportWorker { session, epoch, report } => session::report(world, context, session, epoch, report),
        Command::Receive { session, epoch, messages } => {
            conversation::receive(world, context, session, epoch, messages)
        }
        Command::AppendTranscript { session, epoch, entries } => {
            conversation::append_transcript(world, context, session, epoch, entries)
        }
        Command::ReportDelivery { session, epoch, updates } => {
            conversation::report_delivery(world, session, epoch, &updates)
        }
        Command::MarkDelivered { session, items } => conversation::mark_delivered(world, session, &items),
        Command::PostMessage { session, prompt, work } => conversation::post(world, context, session, prompt, work),
        Command::CancelMessage { session, message } => conversation::cancel(world, session, message),
        Command::RequestControl { session, request, control } => {
            conversation::request_control(world, session, request, control)
        }
        Command::DecidePermission { session, request, answer } => permission::decide(world, session, &request, answer),
        Command::StoreFile { file, owner, session, name, media_type, chunks } => {
            let size_bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            Ok(store(FileStored { file, owner, session, name, media_type, size_bytes }, chunks))
        }
        Command::CreateUserStream(new) => user_stream::create(world, new),
        Command::AppendUserStream(append) => user_stream::append(world, context, append),
        Command::DeleteUserStream { stream } => user_stream::delete(world, stream),
        Command::ExpireUserStream { stream, used_at } => user_stream::expire(world, context, stream, used_at),
        Command::ForgetUserStream { stream } => Ok(user_stream::forget(world, stream)),
        Command::CreateSubscription { created, streams } => subscription::create(world, context, created, &streams),
        Command::DeleteSubscription { subscription } => subscription::delete(world, subscription),
        Command::LinkStreams { subscription, streams } => subscription::link(world, subscription, &streams),
        Command::UnlinkStream { subscription, path } => subscription::unlink(world, subscription, path),
        Command::ClaimWake { subscription, worker } => subscription::claim(world, context, subscription, worker),
        Command::AckWake { subscription, generation, acks, done } => {
            subscription::ack(world, context, subscription, generation, &acks, done)
        }
        Command::ReleaseWake { subscription, generation } => {
            subscription::release(world, context, subscription, generation)
        }
        Command::ExpireWake { subscription, generation } => {
            Ok(subscription::expire(world, context, subscription, generation))
        }
        Command::NoteDelivery { subscription, generation, failed } => {
            Ok(subscription::note_delivery(world, subscription, generation, failed))
        }
        Command::RetryWake { subscription } => Ok(subscription::retry(world, context, subscription)),
        Command::AddTarget(added) => notify::add(world, context, added),
        Command::ChangeTarget { target, turns } => notify::change(world, target, turns),
        Command::RemoveTarget { target, end } => notify::remove(world, target, end),
        Command::ConfigureTargets(wanted) => Ok(notify::configure(world, &wanted)),
        Command::NoteTarget { target, news } => Ok(notify::note(world, target, news)),
    }
}
