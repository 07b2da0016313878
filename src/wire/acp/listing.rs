//! What is asked over plain HTTP: registration, and who is there.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// `POST /v1/environments/bridge` of an agent's link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Register {
    /// The word of the agent's command: two agents are often both `node`.
    #[serde(default)]
    pub machine_name: String,
    #[serde(default)]
    pub directory: Option<String>,
    #[serde(default)]
    pub branch: Option<String>,
    #[serde(default)]
    pub git_repo_url: Option<String>,
    /// The channel group.
    #[serde(default)]
    pub bridge_id: Option<String>,
    #[serde(default)]
    pub max_sessions: Option<u32>,
}

/// The answer to [`Register`].
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Registered {
    pub environment_id: String,
    pub environment_secret: String,
    pub status: &'static str,
    pub session_id: String,
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registered(..)")
    }
}

/// Whether a registration is that of an agent's link.
pub fn is_agent(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, default)]
        worker_type: Option<Cow<'a, str>>,
    }
    #[derive(Deserialize)]
    struct Peek<'a> {
        #[serde(borrow, default)]
        worker_type: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        metadata: Option<Metadata<'a>>,
    }
    let Ok(Peek { worker_type, metadata }) = serde_json::from_slice(body) else { return false };
    worker_type.or_else(|| metadata.and_then(|metadata| metadata.worker_type)).is_some_and(|kind| kind == "acp")
}

/// An agent on a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agent {
    pub id: String,
    pub agent_name: String,
    pub channel_group_id: Option<String>,
    pub status: &'static str,
    pub max_sessions: u32,
    /// Seconds since the Unix epoch.
    pub last_seen_at: f64,
    pub created_at: f64,
}

/// A group on a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    pub channel_group_id: String,
    pub member_count: usize,
    pub members: Vec<Agent>,
}

/// What a group's event stream says of one frame of an agent.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct GroupEvent<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The whole frame.
    pub payload: &'a serde_json::value::RawValue,
    pub direction: &'static str,
    #[serde(rename = "seqNum")]
    pub number: u64,
    pub channel_group_id: &'a str,
    /// Whose frame it is: without it the agents of a group cannot be told apart.
    pub agent_id: &'a str,
}
