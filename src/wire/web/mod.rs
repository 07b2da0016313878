//! Our own API, `/api/v1`, and the control API of ccb's stock server, `/web`: every body that is asked or answered.
//!
//! The server and rcsctl use the same types, so both ways are derived. Times are RFC 3339 text in UTC, except in
//! [`peer`], whose clients expect numbers. May not know what the fields mean to the domain: the room translates.

use serde::{Deserialize, Serialize};

pub mod audit;
pub mod control;
pub mod device;
pub mod environment;
pub mod event;
pub mod key;
pub mod message;
pub mod notification;
pub mod peer;
pub mod permission;
pub mod problem;
pub mod search;
pub mod session;
pub mod status;
pub mod subscription;

pub use audit::{AuditCommit, AuditCommits, AuditPage, AuditRecord, Fault, Verification, VerificationProgress};
pub use control::{ControlRequested, SetMode, SetModel, SetThinking};
pub use device::{Device, LoginLink, Me, RenameDevice, SignIn};
pub use environment::{
    Choice, Closed, Environment, EnvironmentDetail, EnvironmentStatus, Offers, Requeued, Spawn, WorkItem, WorkStage,
};
pub use event::{Author, Event, EventPage, Gap, GapTag};
pub use key::{CreateKey, CreatedKey, Key, KeyOwner, Role, RotateSigning, SigningRotated};
pub use message::{FileAttachment, MessageAccepted, MessageReceipt, MessageState, PostMessage, StoredFile};
pub use notification::{
    AddTarget, AnswerNotification, ChangeTarget, Pushed, PushedKind, Target, TargetKind, TargetMade, Tested, Vapid,
    WebhookNotice,
};
pub use permission::{DecidePermission, DecidedPermission, Decision, Permission, PermissionState, Scope, Winner};
pub use problem::{Problem, ProblemKind};
pub use search::{SearchHit, SearchPage, SearchSource};
pub use session::{
    Archive, ArchiveMany, ArchiveResult, ArchivedMany, ArrangeSession, CreateSession, QueuedItem, QueuedKind, Rule,
    Session, SessionDetail, SessionStatus, Worker,
};
pub use status::{CommitTimes, Copied, Counts, Kept, Overview, ServerStatus, Storage};
pub use subscription::{Delivery, Subscription, WakeState};

/// The header under which a client names a command, so that repeating it does it once.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that names the numbering that sequences and positions belong to.
pub const EPOCH: &str = "rcs-epoch";
/// The WebSocket subprotocol that carries a credential: this prefix and the base64url form of the token. Browsers can
/// set no header on a socket, and a query string would end up in logs.
pub const SOCKET_AUTH_PREFIX: &str = "rcs.auth.";

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Pass it as `?cursor=` to get the page after this one; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
