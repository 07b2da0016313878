//! What a runner asks of the environments API: to be known, to be given work, to be let go.
//!
//! Its client takes nothing but 200 and 204 for success, and reads only the fields that are written here.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// `POST /v1/environments/bridge`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Register {
    pub machine_name: String,
    #[serde(default)]
    pub directory: String,
    #[serde(default)]
    pub branch: Option<String>,
    #[serde(default)]
    pub git_repo_url: Option<String>,
    /// 1 for a REPL and a single-session bridge; 4 or 32 otherwise.
    #[serde(default)]
    pub max_sessions: Option<u32>,
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// Some runners say it here instead of in the metadata.
    #[serde(default)]
    pub worker_type: Option<String>,
    /// The id it had before and wants back. Text, because another server may have given it.
    #[serde(default)]
    pub environment_id: Option<String>,
}

/// See [`Register::metadata`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    #[serde(default)]
    pub worker_type: Option<String>,
}

/// The answer to [`Register`].
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Registered {
    pub environment_id: String,
    pub environment_secret: String,
}

/// `POST …/work/{id}/stop`. With `force` the runner shuts down and wants nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Stop {
    #[serde(default)]
    pub force: bool,
}

/// `POST …/bridge/reconnect`: hand this one session out again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reconnect {
    pub session_id: String,
}

/// A work item, as a poll answers it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct WorkItem {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub environment_id: String,
    pub state: &'static str,
    pub data: WorkData,
    pub secret: String,
    pub created_at: String,
}

/// What a work item is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkData {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: String,
}

impl WorkItem {
    /// The item that starts a session.
    pub fn session(
        id: String,
        environment_id: String,
        session_id: String,
        secret: &WorkSecret<'_>,
        created_at: String,
    ) -> Self {
        let data = WorkData { kind: "session", id: session_id };
        Self { id, kind: "work", environment_id, state: "dispatched", data, secret: secret.encode(), created_at }
    }
}

/// What a worker needs to speak for its session. The agent's own shell can read the token, so it opens that session and
/// nothing else; it is never an API key.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WorkSecret<'a> {
    version: u32,
    session_ingress_token: &'a str,
    api_base_url: &'a str,
    sources: [(); 0],
    auth: [(); 0],
    use_code_sessions: bool,
}

impl<'a> WorkSecret<'a> {
    /// A secret for a worker that speaks v1: a socket to read, posts to write.
    pub const fn v1(session_ingress_token: &'a str, api_base_url: &'a str) -> Self {
        Self { version: 1, session_ingress_token, api_base_url, sources: [], auth: [], use_code_sessions: false }
    }

    /// Base64url of its JSON, as the client decodes it.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(json(self))
    }
}

fn json(secret: &WorkSecret<'_>) -> Vec<u8> {
    serde_json::to_vec(secret).expect("a struct of text and booleans always becomes JSON")
}

/// The answer to a work heartbeat. The client logs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    pub lease_extended: bool,
    pub state: &'static str,
    pub last_heartbeat: String,
    pub ttl_seconds: u64,
}

macro_rules! hide_secrets {
    ($($name:ty, $text:literal;)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!($text, "(..)"))
            }
        }
    )*};
}
hide_secrets! {
    Registered, "Registered";
    WorkItem, "WorkItem";
    WorkSecret<'_>, "WorkSecret";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_registers_with_what_the_real_client_sends() {
        let body = include_str!("../../../fixtures/bridge/register.json");
        let register: Register = serde_json::from_str(body).expect("a captured body");
        assert_eq!(register.machine_name, "vm");
        assert_eq!(register.max_sessions, Some(1));
        assert_eq!(register.metadata.and_then(|metadata| metadata.worker_type).as_deref(), Some("claude_code"));
        assert_eq!(register.environment_id, None);
        let bare: Register = serde_json::from_str(r#"{"machine_name":"node","worker_type":"acp"}"#).expect("enough");
        assert_eq!((bare.worker_type.as_deref(), bare.directory.as_str()), (Some("acp"), ""));
    }

    #[test]
    fn answers_look_as_the_client_reads_them() {
        let registered = Registered { environment_id: "env_1".into(), environment_secret: "rcse_x".into() };
        insta::assert_json_snapshot!(registered, @r#"
        {
          "environment_id": "env_1",
          "environment_secret": "rcse_x"
        }
        "#);
        let secret = WorkSecret::v1("rcsi_x", "http://127.0.0.1:3000");
        let item = WorkItem::session(
            "work_1".into(),
            "env_1".into(),
            "session_1".into(),
            &secret,
            "2026-11-21T10:14:17.869Z".into(),
        );
        insta::assert_json_snapshot!(item);
        insta::assert_json_snapshot!(secret);
        let heartbeat = Heartbeat {
            lease_extended: true,
            state: "acked",
            last_heartbeat: "2026-11-21T10:14:17.869Z".into(),
            ttl_seconds: 60,
        };
        insta::assert_json_snapshot!(heartbeat);
    }

    #[test]
    fn a_work_secret_decodes_to_its_json() {
        let secret = WorkSecret::v1("rcsi_x?>~", "http://h");
        let bytes = URL_SAFE_NO_PAD.decode(secret.encode()).expect("base64url");
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(value["version"], 1);
        assert_eq!(value["session_ingress_token"], "rcsi_x?>~");
        assert_eq!(value["use_code_sessions"], false);
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = WorkSecret::v1("rcsi_hidden", "http://h");
        let item = WorkItem::session("w".into(), "e".into(), "s".into(), &secret, "t".into());
        let registered = Registered { environment_id: "e".into(), environment_secret: "rcse_hidden".into() };
        let shown = format!("{secret:?} {item:?} {registered:?}");
        assert_eq!(shown, "WorkSecret(..) WorkItem(..) Registered(..)");
    }
}
