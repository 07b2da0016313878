//! Being told that an agent waits: where, and what is told there.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{event::Author, permission::Decision};
use crate::domain::id::{DeviceId, RequestId, SessionId, TargetId};

/// How somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A browser.
    WebPush,
    /// A program, by a POST.
    Webhook,
    /// A topic of an ntfy server.
    Ntfy,
}

/// Somewhere to tell somebody. Its address is shown to nobody again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of its own to those who read it")]
pub struct Target {
    pub id: TargetId,
    pub kind: TargetKind,
    pub name: String,
    /// The host that it lies on.
    pub host: String,
    /// The browser that it is, or that added it.
    pub device_id: Option<DeviceId>,
    /// It is the browser that asks.
    pub current: bool,
    /// It is told of the end of turns as well.
    pub turns: bool,
    /// What it is told can be answered straight away.
    pub answers: bool,
    /// It comes from the configuration and is removed there.
    pub configured: bool,
    pub added_at: String,
    /// When it last took something.
    pub told_at: Option<String>,
    /// Since when it takes nothing.
    pub failing_since: Option<String>,
    /// Why it does not.
    pub failing: Option<String>,
}

/// A new target: the members that its kind needs.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddTarget {
    pub kind: TargetKind,
    /// What people will know it by; without it, its host or the browser's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// With `web_push`: as the browser's `PushSubscription` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p256dh: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// With `webhook` and `ntfy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// With `ntfy`: an access token of its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Tell the end of turns as well.
    #[serde(default)]
    pub turns: bool,
    /// With `ntfy`: let whoever reads the topic answer. A browser always can.
    #[serde(default)]
    pub answers: bool,
}

impl fmt::Debug for AddTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddTarget").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// It is told from now on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetMade {
    pub target: Target,
    /// With a webhook: what its calls are signed with, shown here and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl fmt::Debug for TargetMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetMade").field("target", &self.target).finish_non_exhaustive()
    }
}

/// What can be changed about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeTarget {
    pub turns: bool,
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    pub delivered: bool,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The key that browsers tie their subscriptions to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vapid {
    pub public_key: String,
}

/// An answer straight from a notification.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerNotification {
    pub token: String,
    pub decision: Decision,
}

impl fmt::Debug for AnswerNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerNotification").field("decision", &self.decision).finish_non_exhaustive()
    }
}

/// What sort of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushedKind {
    /// An agent asks.
    Permission,
    /// That was answered, or taken back.
    Settled,
    /// An agent is done with what it was told.
    Turn,
    /// Somebody tries whether it arrives.
    Test,
}

/// What a browser's worker is told. `tag` is the same for all that is told of one question.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    pub kind: PushedKind,
    pub tag: String,
    /// Where to look, as a path of ours.
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What is asked, cut where it is too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The right to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Whether the token may say yes.
    #[serde(default)]
    pub may_allow: bool,
    /// With [`PushedKind::Settled`]: the decision, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Decision>,
    /// With [`PushedKind::Settled`]: what the browser that decided is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Questions that wait for whoever is told, over all sessions.
    pub waiting: u64,
}

impl fmt::Debug for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushed").field("kind", &self.kind).field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// What a webhook is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookNotice {
    pub kind: PushedKind,
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What is asked, cut where it is too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// With [`PushedKind::Settled`]: the decision, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Decision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Author>,
    /// Where to look.
    pub link: String,
}
