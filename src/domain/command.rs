//! What can be asked for, in the imperative, and what is answered.
//!
//! A command carries everything that `decide` may not find out by itself: ids drawn by the caller, digests, payloads.
//! It does not say who asks: that is the [`Actor`](super::Actor), and whether they may was settled above.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    envelope::{DedupeKey, Sequence, Timestamp},
    event::{
        AgentReported, Control, DeviceSignedIn, EnvironmentRegistered, Fingerprint, KeyCreated, LoginLinkCreated,
        MessageKind, Offers, PermissionRequested, Rule, SecretDigest, SessionCreated, Status, Verdict,
    },
    id::{
        DeviceId, EnvironmentId, FileId, KeyId, MessageId, OwnerId, RequestId, SessionId, SubscriptionId,
        SubscriptionName, TargetId, UserStreamId, WorkId,
    },
    limits,
    notify::{TargetAdded, TargetEnd, TargetNews},
    subscription::{Acked, StreamPath, SubscriptionCreated},
    user_stream::{Appended, NewUserStream, StreamRefusal, UserAppend},
};

/// Something asked of the relay.
#[derive(Debug, Clone)]
pub enum Command {
    /// Create a key.
    CreateKey(KeyCreated),
    /// Make the configured keys exactly these (digest and the identity to use if it is new); configured keys that are
    /// no longer listed are revoked.
    ConfigureKeys(Vec<ConfiguredKey>),
    /// Take a key's power away. Repeating it changes nothing.
    RevokeKey { key: KeyId },
    /// Note that a key was used.
    NoteKeyUse { key: KeyId },

    /// Make a link that lets one browser in.
    CreateLoginLink(LoginLinkCreated),
    /// Let a browser in, using up the link that it shows.
    SignIn(DeviceSignedIn),
    /// Take the power of these devices away.
    SignOut { devices: Vec<DeviceId> },
    /// Note that a device was used.
    NoteDeviceUse { device: DeviceId },
    /// Call a device something else.
    RenameDevice { device: DeviceId, name: String },

    /// Register a runner. With `reattach`, under that old id if it is the same owner's; else under the new id in
    /// `particulars`.
    RegisterEnvironment { particulars: EnvironmentRegistered, reattach: Option<EnvironmentId> },
    /// Register an agent behind a link, under the id in `particulars`: each registration has its own record. `linked`
    /// are the agents that hold a line at this moment, `session` is for its first conversation.
    RegisterAgent { particulars: EnvironmentRegistered, session: SessionId, linked: Vec<EnvironmentId> },
    /// It holds a line now. If it is the one that was away, it goes on under the id that it had before.
    IdentifyAgent { environment: EnvironmentId, session: SessionId, linked: Vec<EnvironmentId> },
    /// What its link says of its program; `notice` is what is said in conversations whose turn this ends.
    ReportAgent { report: AgentReported, payload: Bytes, notice: Bytes },
    /// Its link is about to be told to turn to another conversation.
    SwitchAgent { environment: EnvironmentId },
    /// It has this conversation open, and is in it. `session` is used if its id is not known yet.
    BindSession { environment: EnvironmentId, session: SessionId, foreign: String, offers: Offers, payload: Bytes },
    /// Hand it this prompt, if nobody's turn is under way.
    BeginTurn { environment: EnvironmentId, session: SessionId, prompt: Sequence },
    /// The agent's line was cut and is back, and the turn goes on; the payload says so.
    TearTurn { session: SessionId, payload: Bytes },
    /// What the agent told of a torn turn; nothing, if there was nothing to tell.
    RetellTurn { session: SessionId, pieces: Vec<Bytes> },
    /// The turn is over; the payload says how.
    EndTurn { session: SessionId, payload: Bytes },
    /// It is there (its lease was renewed after a silence).
    EnvironmentSeen { environment: EnvironmentId },
    /// Its lease ran out.
    EnvironmentLost { environment: EnvironmentId },
    /// It signs off: it goes offline and its queue is emptied.
    DeregisterEnvironment { environment: EnvironmentId },

    /// Hand out the oldest queued item, or one that was handed out longer ago than `reclaim_after_ms` and never
    /// acked, or
    /// `fresh` for a session whose REPL let go of it and waits for it.
    LeaseWork { environment: EnvironmentId, reclaim_after_ms: u64, fresh: WorkId },
    /// The runner has it.
    AckWork { environment: EnvironmentId, work: WorkId },
    /// Put an item back whose hand-over failed (the runner hung up before it was written).
    ReturnWork { environment: EnvironmentId, work: WorkId },
    /// The runner let go of it; with `force` it is shutting down and wants nothing back.
    StopWork { environment: EnvironmentId, work: WorkId, force: bool },
    /// Replace whatever is queued or out for this session by one new item.
    RedispatchSession { environment: EnvironmentId, session: SessionId, work: WorkId },

    /// Begin a conversation, queue it for its environment, and post the first prompt if there is one, behind the
    /// changes of course that it shall find in force.
    CreateSession {
        particulars: SessionCreated,
        work: WorkId,
        course: Vec<(RequestId, Control)>,
        prompt: Option<Prompt>,
    },
    /// Change what people arrange it by, all of it at once.
    ArrangeSession { session: SessionId, title: Option<String>, pinned: Option<bool> },
    /// Put it away. Repeating it changes nothing and says so.
    ArchiveSession { session: SessionId },

    /// A worker takes the session: the epoch goes up by one.
    AttachWorker { session: SessionId },
    /// Its connection is up.
    WorkerSeen { session: SessionId },
    /// Its lease ran out.
    WorkerLost { session: SessionId },
    /// What the worker says about itself.
    ReportWorker { session: SessionId, epoch: Option<u64>, report: WorkerReport },
    /// What the agent said, in order. Messages that were seen before are left out.
    Receive { session: SessionId, epoch: Option<u64>, messages: Vec<Incoming> },
    /// Entries of the worker's private transcript. Entries seen before are left out.
    AppendTranscript { session: SessionId, epoch: Option<u64>, entries: Vec<TranscriptEntry> },
    /// How far the worker got with what it was sent.
    ReportDelivery { session: SessionId, epoch: Option<u64>, updates: Vec<DeliveryUpdate> },
    /// These items are about to be (control requests) or were (all others) written to the worker's connection.
    MarkDelivered { session: SessionId, items: Vec<Sequence> },

    /// Say something to the agent.
    PostMessage { session: SessionId, prompt: Prompt, work: WorkId },
    /// Take a message back that was not delivered yet.
    CancelMessage { session: SessionId, message: MessageId },
    /// Change the agent's course.
    RequestControl { session: SessionId, request: RequestId, control: Control },
    /// Answer the agent's question.
    DecidePermission { session: SessionId, request: RequestId, answer: Answer },

    /// Keep a file: its chunks and its particulars.
    StoreFile {
        file: FileId,
        owner: OwnerId,
        session: Option<SessionId>,
        name: String,
        media_type: Option<String>,
        chunks: Vec<Bytes>,
    },

    /// Make a user's stream, or confirm that it is there as described.
    CreateUserStream(NewUserStream),
    /// Write to it, close it, or both.
    AppendUserStream(UserAppend),
    /// Delete it.
    DeleteUserStream { stream: UserStreamId },
    /// Delete it if its time is over, having last been read at `used_at`.
    ExpireUserStream { stream: UserStreamId, used_at: Timestamp },
    /// Strike it off: the bytes of this deleted stream are gone.
    ForgetUserStream { stream: UserStreamId },

    /// Subscribe to streams, by pattern and by name; or confirm that this is subscribed already.
    CreateSubscription { created: SubscriptionCreated, streams: Vec<StreamPath> },
    /// End a subscription and whatever is under way for it.
    DeleteSubscription { subscription: SubscriptionId },
    /// Follow these streams by name, too, from their tails on.
    LinkStreams { subscription: SubscriptionId, streams: Vec<StreamPath> },
    /// No longer follow this stream by name.
    UnlinkStream { subscription: SubscriptionId, path: StreamPath },
    /// Take the wake that waits, or a new one if there is news.
    ClaimWake { subscription: SubscriptionId, worker: String },
    /// Move cursors on; with `done`, let go of the wake.
    AckWake { subscription: SubscriptionId, generation: u64, acks: Vec<Acked>, done: bool },
    /// Let go of the wake; cursors stay.
    ReleaseWake { subscription: SubscriptionId, generation: u64 },
    /// Its lease ran out.
    ExpireWake { subscription: SubscriptionId, generation: u64 },
    /// What became of a delivery; if it failed, when to try again and why it did.
    NoteDelivery { subscription: SubscriptionId, generation: u64, failed: Option<(Timestamp, String)> },
    /// The wait after failures is over: wake it again if there is news.
    RetryWake { subscription: SubscriptionId },

    /// Tell somebody there from now on. The same address of the same device again is the same target.
    AddTarget(TargetAdded),
    /// Tell it of the end of turns as well, or no longer.
    ChangeTarget { target: TargetId, turns: bool },
    /// Tell it nothing any more. Repeating it changes nothing.
    RemoveTarget { target: TargetId, end: TargetEnd },
    /// Make the configured targets exactly these.
    ConfigureTargets(Vec<TargetAdded>),
    /// Note what became of telling it.
    NoteTarget { target: TargetId, news: TargetNews },
}

/// A key from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct ConfiguredKey {
    pub digest: SecretDigest,
    /// Used if no key has this digest yet.
    pub key: KeyId,
    /// Used if no key has this digest yet.
    pub owner: OwnerId,
}

/// What somebody says to an agent.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub message: MessageId,
    /// Digest of the message id: the same id is the same message.
    pub key: DedupeKey,
    /// Digest of the content, to tell a repetition from another message under the same id.
    pub fingerprint: Fingerprint,
    /// The content as neutral JSON: `{"content": text | [blocks], "file_attachments": […]?}`. Each room renders it for
    /// its worker.
    pub payload: Bytes,
}

/// What a worker reports of itself. Absent parts are unchanged.
#[derive(Debug, Clone, Default)]
pub struct WorkerReport {
    pub status: Option<Status>,
    /// RFC 7396 patch of the metadata, as sent and parsed.
    pub metadata: Option<(Bytes, serde_json::Map<String, serde_json::Value>)>,
    pub mode: Option<String>,
    pub model: Option<String>,
}

/// One message of a worker, sorted by what it means to us.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// What makes it unique; a message without one is always new.
    pub key: Option<DedupeKey>,
    pub payload: Bytes,
    pub meaning: Meaning,
}

/// What a worker's message means to us.
#[derive(Debug, Clone)]
pub enum Meaning {
    /// Something said: kept, and shown.
    Said(Said),
    /// It asks whether it may.
    Asks(PermissionRequested),
    /// It takes a question back.
    TakesBack(RequestId),
    /// It answers a control request of ours.
    Answers { request: RequestId, ok: bool, mode: Option<String>, model: Option<String> },
    /// It confirms or mirrors the answer to its own question.
    Mirrors { request: RequestId, verdict: Option<Verdict> },
}

/// Something that is kept and shown.
#[derive(Debug, Clone)]
pub struct Said {
    pub message: Option<MessageId>,
    pub kind: MessageKind,
    /// A piece of a message that will come whole.
    pub ephemeral: bool,
    /// What it shows of the agent's status, if it shows any.
    pub status: Option<Status>,
    /// The permission mode it mentions as in force.
    pub mode: Option<String>,
    /// The model it mentions as in force.
    pub model: Option<String>,
    /// The tool uses that it brings the results of: their permissions are settled.
    pub tool_results: Vec<String>,
}

/// An entry of a worker's private transcript.
#[derive(Debug, Clone)]
pub struct TranscriptEntry {
    pub key: Option<DedupeKey>,
    pub message: Option<MessageId>,
    pub compaction: bool,
    pub agent: Option<String>,
    pub payload: Bytes,
}

/// How far a worker got with one item.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryUpdate {
    pub item: DeliveryRef,
    pub stage: DeliveryStage,
}

/// The item a delivery update speaks of.
#[derive(Debug, Clone, Copy)]
pub enum DeliveryRef {
    /// By the number it was sent under.
    Sequence(Sequence),
    /// By the message's own id.
    Message(MessageId),
}

/// How far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStage {
    /// The worker's program has it.
    Received,
    /// The agent is at work on it.
    Processing,
    /// The agent is done with it.
    Processed,
}

/// The answer to a permission request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Where the question stands that was read: no later one under the same id is answered with this. `None`: whichever
    /// is open.
    pub asked: Option<Sequence>,
    pub verdict: Verdict,
    /// Words for the agent, with a denial.
    pub message: Option<String>,
    /// Digest of the whole answer.
    pub fingerprint: Fingerprint,
    /// What goes with it, as neutral JSON: `{"updated_input": …?, "updated_permissions": …?}`; empty for nothing.
    pub payload: Bytes,
    /// Allow such requests of this session from now on.
    pub remember: Option<Rule>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done; there is nothing to tell.
    Done,
    /// It was so already; nothing happened.
    Unchanged,
    /// The key exists.
    Key { key: KeyId },
    /// The device is signed in.
    Device { device: DeviceId },
    /// The target is told from now on; `created`: it was not before.
    Target { target: TargetId, created: bool },
    /// The environment is registered under this id.
    Environment { environment: EnvironmentId, reattached: bool },
    /// The agent goes by this id, and this is its conversation.
    Agent { environment: EnvironmentId, session: SessionId },
    /// The session exists.
    Session { session: SessionId },
    /// The worker holds the session under this epoch.
    Attached { epoch: u64 },
    /// A work item, or none.
    Work { item: Option<WorkGrant> },
    /// The message is in the session's stream.
    Posted { message: MessageId, sequence: Sequence },
    /// So many messages were new and are kept.
    Received { fresh: u32, known: u32 },
    /// The permission is decided as asked.
    Decided { sequence: Sequence },
    /// The control request is on its way.
    Requested { request: RequestId, sequence: Sequence },
    /// The file is kept.
    File { file: FileId },
    /// The stream is there.
    UserStream { stream: UserStreamId, created: bool, tail: u64, closed: bool },
    /// It was written, or had been.
    Appended(Appended),
    /// The subscription exists; `created`: it did not before.
    Subscription { subscription: SubscriptionId, created: bool },
    /// The wake of this generation is the caller's.
    Claimed { generation: u64 },
    /// There is nothing to be woken for.
    NothingPending,
    /// The cursors are where the caller wants them; `next_wake`: there is news already.
    Acked { next_wake: bool },
}

/// A work item handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkGrant {
    pub work: WorkId,
    pub session: SessionId,
    pub queued_at: Timestamp,
    pub attempt: u32,
}

/// Why a command was not carried out. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no environment {0}")]
    NoEnvironment(EnvironmentId),
    #[error("there is no session {0}")]
    NoSession(SessionId),
    #[error("there is no key {0}")]
    NoKey(KeyId),
    #[error("there is no device {0}")]
    NoDevice(DeviceId),
    #[error("this login link was used, is too old or never was: make another with `rcsctl login-link`")]
    NoLoginLink,
    #[error("environment {environment} has no work item {work}")]
    NoWork { environment: EnvironmentId, work: WorkId },
    #[error("session {session} has no permission request {request}")]
    NoPermission { session: SessionId, request: RequestId },
    #[error("session {session} has no message {message}")]
    NoMessage { session: SessionId, message: MessageId },
    #[error("session {0} is archived: it takes no more prompts")]
    Archived(SessionId),
    #[error("session {session} is held under epoch {current}; epoch {given} was superseded")]
    Superseded { session: SessionId, given: u64, current: u64 },
    #[error("permission request {request} was already decided: {verdict:?} by {by}")]
    AlreadyDecided { request: RequestId, verdict: Verdict, by: String, at: Timestamp, message: Option<String> },
    #[error("permission request {request} was taken back by the agent")]
    TakenBack { request: RequestId },
    #[error("message {message} was already delivered")]
    AlreadyDelivered { message: MessageId },
    #[error("the worker of session {0} is offline: there is nothing to interrupt")]
    WorkerOffline(SessionId),
    #[error("the agent of this session offers no {what} {id:?}; it offers {}", listed(offered))]
    NotOffered { what: &'static str, id: String, offered: Vec<String> },
    #[error(
        "the link of this session's agent has no word for switching the {what} of a conversation that has begun: it \
         stays as it is"
    )]
    NoWord { what: &'static str },
    #[error("{what} is already used for something else")]
    KeyReused { what: String },
    #[error("there is no notification target {0}")]
    NoTarget(TargetId),
    #[error("there is no subscription {0}")]
    NoSubscription(SubscriptionId),
    #[error("subscription {name} exists with another configuration: delete it first, or take another name")]
    SubscriptionDiffers { name: SubscriptionName },
    #[error("subscription {name} is not delivered that way")]
    WrongDelivery { name: SubscriptionName },
    #[error("a subscription cannot follow its own wake stream: it would wake itself for ever")]
    OwnWakeStream,
    #[error("worker {holder} holds the wake of generation {generation}")]
    AlreadyClaimed { holder: String, generation: u64 },
    #[error("the wake of generation {given} is over; the current generation is {current}")]
    Fenced { given: u64, current: u64 },
    #[error("stream {path} {problem}")]
    BadAck { path: StreamPath, problem: &'static str },
    #[error("{what} is full: at most {max}")]
    Full { what: &'static str, max: usize },
    #[error(transparent)]
    Stream(#[from] StreamRefusal),
}

/// Some agents offer hundreds: nobody reads so many on a phone.
fn listed(ids: &[String]) -> String {
    let shown = &ids[..ids.len().min(limits::OFFERS_NAMED_MAX)];
    match ids.len() - shown.len() {
        0 if ids.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
