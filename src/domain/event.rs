//! What can happen, in the past tense.
//!
//! An event kind is never renamed, reused or removed, and its fields only grow (new ones with a default): the journal
//! of every earlier release must read. The foreign payload of a record lives beside its event, as bytes.

use serde::{Deserialize, Serialize};

use super::{
    command::Outcome,
    envelope::{Sequence, Timestamp},
    id::{
        DeviceId, EnvironmentId, FileId, KeyId, MessageId, RequestId, SessionId, SubscriptionId, TargetId,
        UserStreamId, WorkId,
    },
    notify::{TargetAdded, TargetEnd},
    subscription::{Acked, Linked, StreamPath, SubscriptionCreated, WakeEnd},
};

mod offers;
mod particulars;
mod streams;

pub use self::offers::{Offer, Offers};
pub use self::particulars::{
    Abilities, AgentReported, Control, DeviceSignedIn, EnvironmentRegistered, FileStored, Fingerprint, KeyCreated,
    LoginLinkCreated, MessageKind, PermissionDecided, PermissionRequested, Role, Rule, SecretDigest, SessionCreated,
    Status, Verdict,
};
pub use self::streams::{ForkPoint, Lifetime, ProducerStamp, UserAppended, UserStreamClosed, UserStreamCreated};

/// One thing that happened to one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    // --- system ---
    /// An API key came into being, by its digest.
    KeyCreated(KeyCreated),
    /// A key lost its power for good.
    KeyRevoked { key: KeyId },
    /// A key was used; recorded at most once an hour, for the operator's eyes.
    KeyUsed { key: KeyId },
    /// A link was made that lets one browser in, once.
    LoginLinkCreated(LoginLinkCreated),
    /// A browser was let in.
    DeviceSignedIn(DeviceSignedIn),
    /// It was used; recorded at most once an hour, and what its time is counted from.
    DeviceUsed { device: DeviceId },
    /// It lost its power for good.
    DeviceSignedOut { device: DeviceId },
    /// Its people call it something else now.
    DeviceRenamed { device: DeviceId, name: String },

    // --- ledger ---
    /// A command with an idempotency key was carried out; the same key gets this outcome again.
    CommandDone { fingerprint: Fingerprint, outcome: Outcome },

    // --- environment ---
    /// A runner registered for the first time.
    EnvironmentRegistered(EnvironmentRegistered),
    /// A runner came back under its old id, with these particulars.
    EnvironmentReattached(EnvironmentRegistered),
    /// It was seen after a silence.
    EnvironmentOnline { environment: EnvironmentId },
    /// Its lease ran out.
    EnvironmentOffline { environment: EnvironmentId },
    /// It signed off.
    EnvironmentDeregistered { environment: EnvironmentId },
    /// It turned out to be an agent that was away: from now on its id stands for `by`.
    EnvironmentSucceeded { environment: EnvironmentId, by: EnvironmentId },
    /// An agent's link told whether its program runs and what it can; the payload is what it said.
    AgentReported(AgentReported),
    /// An agent's link is about to be told to turn to another conversation: which one it is in is not known until it
    /// says so.
    AgentSwitching { environment: EnvironmentId },
    /// There is something to do for it.
    WorkQueued { environment: EnvironmentId, work: WorkId, session: SessionId },
    /// It was handed out for the `attempt`-th time, under a lease that `acked` or `returned` ends.
    WorkLeased { environment: EnvironmentId, work: WorkId, attempt: u32 },
    /// The runner confirmed that it has it.
    WorkAcked { environment: EnvironmentId, work: WorkId },
    /// It went back into the queue.
    WorkReturned { environment: EnvironmentId, work: WorkId },
    /// It needs no more doing. `wanted`: the runner let go of it without force, which a REPL does when it wants the
    /// session handed out again.
    WorkDone {
        environment: EnvironmentId,
        work: WorkId,
        #[serde(default)]
        wanted: bool,
    },
    /// It was handed out too often and waits for an operator.
    WorkParked { environment: EnvironmentId, work: WorkId },

    // --- session ---
    /// A conversation began.
    SessionCreated(SessionCreated),
    /// The agent has the conversation open under this id of its own; the payload is what it said of it.
    SessionBound {
        session: SessionId,
        foreign: String,
        /// What can be chosen in it.
        #[serde(default, skip_serializing_if = "Offers::is_unknown")]
        offers: Offers,
    },
    /// The line to its agent was cut in the middle of a turn: what the agent said meanwhile is not here. The payload
    /// says so.
    TurnTorn { session: SessionId },
    /// The agent told that turn again: what follows stands for the pieces of this range. Zeros, if there was nothing
    /// to tell.
    TurnRetold {
        session: SessionId,
        from: Sequence,
        through: Sequence,
        /// How many records right behind this one are the account; 0 where an earlier release did not say.
        #[serde(default, skip_serializing_if = "is_zero")]
        pieces: u64,
    },
    /// It got a title.
    SessionRenamed { session: SessionId, title: String },
    /// People want it before the others; or no longer.
    SessionPinned { session: SessionId, pinned: bool },
    /// It was put away: no more prompts, but late events of its worker are still kept.
    SessionArchived { session: SessionId },
    /// A worker took the session under a new epoch; whoever holds an older one is superseded.
    WorkerAttached { session: SessionId, epoch: u64 },
    /// Its worker can be reached.
    WorkerOnline { session: SessionId },
    /// Its worker's lease ran out.
    WorkerOffline { session: SessionId },
    /// What the agent is doing, as the worker said or as its messages show.
    StatusChanged { session: SessionId, status: Status },
    /// The worker patched its metadata; the payload is the RFC 7396 patch.
    MetadataPatched { session: SessionId },
    /// The worker confirmed a permission mode.
    ModeConfirmed { session: SessionId, mode: String },
    /// The worker confirmed a model.
    ModelConfirmed { session: SessionId, model: String },
    /// The worker said something; the payload is its message.
    MessageReceived { message: Option<MessageId>, kind: MessageKind, ephemeral: bool },
    /// Somebody wrote to the agent; the payload is the content.
    MessagePosted { session: SessionId, message: MessageId, fingerprint: Fingerprint },
    /// The message was handed to the worker's connection.
    MessageDelivered { session: SessionId, message: MessageId },
    /// The worker echoed it: the agent has it.
    MessageConsumed {
        session: SessionId,
        message: MessageId,
        /// The worker reported it; the echo, which tells what the agent does with it, is still to come.
        #[serde(default, skip_serializing_if = "is_false")]
        reported: bool,
    },
    /// It was taken back before it was delivered.
    MessageCancelled { session: SessionId, message: MessageId },
    /// Somebody asked the worker to change course.
    ControlRequested { session: SessionId, request: RequestId, control: Control },
    /// The request is about to be handed to the worker's connection; it never is again.
    ControlDelivered { session: SessionId, request: RequestId },
    /// The worker answered it; the payload is its answer.
    ControlAnswered { session: SessionId, request: RequestId, ok: bool },
    /// Nobody will answer it any more: it was overtaken or the worker went away.
    ControlDropped { session: SessionId, request: RequestId },
    /// The agent asks whether it may; the payload is the request as the worker sent it.
    PermissionRequested(PermissionRequested),
    /// It was decided; the payload is what goes with the decision (changed input, permission updates).
    PermissionDecided(PermissionDecided),
    /// The worker has the decision.
    PermissionDelivered { session: SessionId, request: RequestId },
    /// The worker took the question back, or somebody answered it at the terminal.
    PermissionCancelled { session: SessionId, request: RequestId },
    /// From now on such requests of this session are allowed without asking.
    RuleAdded { session: SessionId, rule: Rule },

    // --- transcript ---
    /// An entry of the worker's private transcript; the payload is the entry.
    TranscriptAppended { session: SessionId, message: Option<MessageId>, compaction: bool, agent: Option<String> },

    // --- file ---
    /// A file arrived whole; its bytes are the payloads of the chunks before this record.
    FileStored(FileStored),
    /// A piece of a file; the payload is its bytes.
    FileChunk { file: FileId },

    // --- streams of users ---
    /// A stream came into being: always the first record of its own.
    UserStreamCreated(UserStreamCreated),
    /// Something was written to it; the payload is what. For JSON streams, messages separated by commas.
    UserAppended(UserAppended),
    /// It was closed without anything being written.
    UserStreamClosed(UserStreamClosed),
    /// It was deleted, or its time was over. Forks may still read from it.
    UserStreamDeleted { stream: UserStreamId, expired: bool },
    /// Nobody read from it any more, and its bytes are gone.
    UserStreamForgotten { stream: UserStreamId },

    // --- subscription ---
    /// Somebody wants to be woken when streams grow.
    SubscriptionCreated(SubscriptionCreated),
    /// It was confirmed with another credential, which its deliveries rest on from now on.
    SubscriptionAdopted { subscription: SubscriptionId },
    /// It is no more; its name may be taken again.
    SubscriptionDeleted { subscription: SubscriptionId },
    /// It follows these streams, too, or under one more title.
    StreamsLinked { subscription: SubscriptionId, links: Vec<Linked> },
    /// A stream is no longer followed by name; its pattern may still follow it.
    StreamUnlinked { subscription: SubscriptionId, path: StreamPath },
    /// A followed stream was deleted.
    StreamGone { subscription: SubscriptionId, path: StreamPath },
    /// A new wake, because of the news in this stream. Whoever has an older one is fenced off.
    SubscriptionWoken { subscription: SubscriptionId, generation: u64, path: StreamPath },
    /// The webhook took it.
    WakeDelivered { subscription: SubscriptionId, generation: u64 },
    /// The webhook did not take it.
    DeliveryFailed {
        subscription: SubscriptionId,
        generation: u64,
        /// In a row, this one included.
        attempts: u32,
        /// Not before then it is tried again.
        retry_at: Timestamp,
        /// In a few words, for the operator.
        reason: String,
    },
    /// A worker took it.
    WakeClaimed { subscription: SubscriptionId, generation: u64, worker: String },
    /// Streams were dealt with up to these offsets.
    CursorsAcked { subscription: SubscriptionId, generation: u64, acks: Vec<Acked> },
    /// Nobody has it any more. `again_at`: the next wake waits for then.
    WakeEnded { subscription: SubscriptionId, generation: u64, end: WakeEnd, again_at: Option<Timestamp> },

    // --- notification target ---
    /// Somebody wants to be told there when an agent waits for them.
    TargetAdded(TargetAdded),
    /// It is told of the end of turns as well, or no longer.
    TargetChanged { target: TargetId, turns: bool },
    /// It is told nothing any more.
    TargetRemoved { target: TargetId, end: TargetEnd },
    /// It was told of this question, which stands there in its session.
    TargetTold { target: TargetId, session: SessionId, asked: Sequence },
    /// What it was told of was settled, and it was told that too, or cannot be.
    TargetWithdrawn { target: TargetId, session: SessionId, asked: Sequence },
    /// It did not take what it was told, for the first time after it did. In a few words, for the operator.
    TargetFailed { target: TargetId, reason: String },

    // --- any stream ---
    /// The records up to and including this sequence were forgotten.
    Trimmed { through: Sequence },
    /// The records of this range say no more than a later one does; their bodies were forgotten.
    Superseded { from: Sequence, to: Sequence, by: Sequence },
}

impl Event {
    /// Whether the world needs this record to know what it must decide on. The others need only be counted: start-up
    /// does not read them.
    pub const fn shapes_world(&self) -> bool {
        !matches!(
            self,
            Self::MessageReceived { .. }
                | Self::TranscriptAppended { .. }
                | Self::FileChunk { .. }
                | Self::CommandDone { .. }
                | Self::UserAppended(UserAppended { producer: None, stream_seq: None, closes: false })
        )
    }

    /// The kind, as it is written in the journal and in every export.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::KeyCreated(_) => "key_created",
            Self::KeyRevoked { .. } => "key_revoked",
            Self::KeyUsed { .. } => "key_used",
            Self::LoginLinkCreated(_) => "login_link_created",
            Self::DeviceSignedIn(_) => "device_signed_in",
            Self::DeviceUsed { .. } => "device_used",
            Self::DeviceSignedOut { .. } => "device_signed_out",
            Self::DeviceRenamed { .. } => "device_renamed",
            Self::CommandDone { .. } => "command_done",
            Self::EnvironmentRegistered(_) => "environment_registered",
            Self::EnvironmentReattached(_) => "environment_reattached",
            Self::EnvironmentOnline { .. } => "environment_online",
            Self::EnvironmentOffline { .. } => "environment_offline",
            Self::EnvironmentDeregistered { .. } => "environment_deregistered",
            Self::EnvironmentSucceeded { .. } => "environment_succeeded",
            Self::AgentReported(_) => "agent_reported",
            Self::AgentSwitching { .. } => "agent_switching",
            Self::WorkQueued { .. } => "work_queued",
            Self::WorkLeased { .. } => "work_leased",
            Self::WorkAcked { .. } => "work_acked",
            Self::WorkReturned { .. } => "work_returned",
            Self::WorkDone { .. } => "work_done",
            Self::WorkParked { .. } => "work_parked",
            Self::SessionCreated(_) => "session_created",
            Self::SessionBound { .. } => "session_bound",
            Self::TurnTorn { .. } => "turn_torn",
            Self::TurnRetold { .. } => "turn_retold",
            Self::SessionRenamed { .. } => "session_renamed",
            Self::SessionPinned { .. } => "session_pinned",
            Self::SessionArchived { .. } => "session_archived",
            Self::WorkerAttached { .. } => "worker_attached",
            Self::WorkerOnline { .. } => "worker_online",
            Self::WorkerOffline { .. } => "worker_offline",
            Self::StatusChanged { .. } => "status_changed",
            Self::MetadataPatched { .. } => "metadata_patched",
            Self::ModeConfirmed { .. } => "mode_confirmed",
            Self::ModelConfirmed { .. } => "model_confirmed",
            Self::MessageReceived { .. } => "message_received",
            Self::MessagePosted { .. } => "message_posted",
            Self::MessageDelivered { .. } => "message_delivered",
            Self::MessageConsumed { .. } => "message_consumed",
            Self::MessageCancelled { .. } => "message_cancelled",
            Self::ControlRequested { .. } => "control_requested",
            Self::ControlDelivered { .. } => "control_delivered",
            Self::ControlAnswered { .. } => "control_answered",
            Self::ControlDropped { .. } => "control_dropped",
            Self::PermissionRequested(_) => "permission_requested",
            Self::PermissionDecided(_) => "permission_decided",
            Self::PermissionDelivered { .. } => "permission_delivered",
            Self::PermissionCancelled { .. } => "permission_cancelled",
            Self::RuleAdded { .. } => "rule_added",
            Self::TranscriptAppended { .. } => "transcript_appended",
            Self::FileStored(_) => "file_stored",
            Self::FileChunk { .. } => "file_chunk",
            Self::UserStreamCreated(_) => "user_stream_created",
            Self::UserAppended(_) => "user_appended",
            Self::UserStreamClosed { .. } => "user_stream_closed",
            Self::UserStreamDeleted { .. } => "user_stream_deleted",
            Self::UserStreamForgotten { .. } => "user_stream_forgotten",
            Self::SubscriptionCreated(_) => "subscription_created",
            Self::SubscriptionAdopted { .. } => "subscription_adopted",
            Self::SubscriptionDeleted { .. } => "subscription_deleted",
            Self::StreamsLinked { .. } => "streams_linked",
            Self::StreamUnlinked { .. } => "stream_unlinked",
            Self::StreamGone { .. } => "stream_gone",
            Self::SubscriptionWoken { .. } => "subscription_woken",
            Self::WakeDelivered { .. } => "wake_delivered",
            Self::DeliveryFailed { .. } => "delivery_failed",
            Self::WakeClaimed { .. } => "wake_claimed",
            Self::CursorsAcked { .. } => "cursors_acked",
            Self::WakeEnded { .. } => "wake_ended",
            Self::TargetAdded(_) => "target_added",
            Self::TargetChanged { .. } => "target_changed",
            Self::TargetRemoved { .. } => "target_removed",
            Self::TargetTold { .. } => "target_told",
            Self::TargetWithdrawn { .. } => "target_withdrawn",
            Self::TargetFailed { .. } => "target_failed",
            Self::Trimmed { .. } => "trimmed",
            Self::Superseded { .. } => "superseded",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
