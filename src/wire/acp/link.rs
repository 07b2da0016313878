//! The agent's side of a line: what its link says, as far as it is looked at, and what it is told.
//!
//! One JSON object per frame out, because the link parses a frame whole; several in, one per line.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::offers::{Offered, offered};
use crate::domain::id::RequestId;

/// Something a link said.
#[derive(Debug)]
pub enum Said<'a> {
    Identify {
        agent: Option<Cow<'a, str>>,
    },
    Register(Newcomer<'a>),
    KeepAlive,
    Pong,
    Status(Status<'a>),
    /// It began, loaded or resumed a conversation, and is in it.
    Turned {
        how: Turned,
        session: Option<Cow<'a, str>>,
        course: Course,
        offered: Offered,
    },
    Sessions,
    /// What it was told to change is changed.
    Changed {
        what: Changed,
        course: Course,
    },
    Update(Update<'a>),
    Asks(Asks<'a>),
    PromptComplete,
    Error {
        message: Cow<'a, str>,
    },
    Other,
}

/// How it came into a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    Created,
    Loaded,
    Resumed,
}

/// By which word it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Model,
    Mode,
    Option,
}

/// The one-step form of older links.
#[derive(Debug, Default, Deserialize)]
pub struct Newcomer<'a> {
    #[serde(borrow, default)]
    pub agent_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub channel_group_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub max_sessions: Option<u32>,
}

/// What a link says of the program behind it.
#[derive(Debug, Deserialize)]
pub struct Status<'a> {
    #[serde(default)]
    pub connected: bool,
    #[serde(borrow, default, rename = "agentInfo")]
    pub info: Option<&'a RawValue>,
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
    /// What the link can be told beside what every link can.
    #[serde(borrow, default)]
    pub words: Vec<Cow<'a, str>>,
}

/// What of it decides how one comes back to a conversation.
#[derive(Debug, Default, Deserialize)]
pub struct Capabilities {
    #[serde(default, rename = "loadSession")]
    pub load: Option<bool>,
    #[serde(default, rename = "sessionCapabilities")]
    pub session: Option<SessionCapabilities>,
}

/// See [`Capabilities`].
#[derive(Debug, Default, Deserialize)]
pub struct SessionCapabilities {
    #[serde(default)]
    pub list: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    pub resume: Option<serde::de::IgnoredAny>,
}

impl Status<'_> {
    /// Whether the link can be told this.
    pub fn knows(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// Whether the program ran before it was asked: a link that has nothing to start answers with the word of the
    /// agent's command instead of what the program says of itself.
    pub fn ran_before(&self, command: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Bare<'a> {
            #[serde(borrow)]
            name: Cow<'a, str>,
        }
        let bare = self.info.and_then(|info| serde_json::from_str::<Bare<'_>>(info.get()).ok());
        bare.is_some_and(|bare| bare.name == command)
    }
}

/// The mode and the model in force, where something names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Course {
    pub mode: Option<String>,
    pub model: Option<String>,
}

/// What both a new conversation and an update may name.
#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    modes: Option<Modes>,
    #[serde(default)]
    models: Option<Models>,
    #[serde(default, rename = "configOptions")]
    options: Option<Vec<ConfigOption>>,
    #[serde(default, rename = "currentModeId")]
    mode: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Modes {
    #[serde(rename = "currentModeId")]
    current: String,
}

#[derive(Debug, Deserialize)]
struct Models {
    #[serde(rename = "currentModelId")]
    current: String,
}

#[derive(Debug, Deserialize)]
struct ConfigOption {
    id: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default, rename = "currentValue")]
    current: Option<serde_json::Value>,
}

impl Named {
    /// Agents say it in one of two ways, some in both.
    fn course(self) -> Course {
        let option = |name: &str| {
            let options = self.options.as_deref().unwrap_or_default();
            let found = options.iter().find(|option| option.category.as_deref().unwrap_or(&option.id) == name)?;
            found.current.as_ref()?.as_str().map(str::to_owned)
        };
        let mode = self.mode.clone().or_else(|| self.modes.as_ref().map(|modes| modes.current.clone()));
        let model = self.models.as_ref().map(|models| models.current.clone());
        Course { mode: mode.or_else(|| option("mode")), model: model.or_else(|| option("model")) }
    }
}

/// A piece of a conversation.
#[derive(Debug)]
pub struct Update<'a> {
    pub session: Cow<'a, str>,
    pub kind: Kind,
    pub title: Option<Cow<'a, str>>,
    pub course: Course,
    /// The tool call that came to its end, if one did.
    pub ended_call: Option<Cow<'a, str>>,
}

/// What sort of piece. Later kinds are of the last sort, and pass all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    Agent,
    Tool,
    Plan,
    About,
    Other,
}

/// A question of the agent.
#[derive(Debug, Deserialize)]
pub struct Asks<'a> {
    #[serde(rename = "requestId")]
    pub request: RequestId,
    #[serde(borrow, rename = "sessionId")]
    pub session: Cow<'a, str>,
    #[serde(borrow, default, rename = "toolCall")]
    pub call: ToolCall<'a>,
}

/// What the agent wants to do.
#[derive(Debug, Default, Deserialize)]
pub struct ToolCall<'a> {
    #[serde(borrow, default, rename = "toolCallId")]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub title: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "rawInput")]
    input: Option<&'a RawValue>,
}

impl ToolCall<'_> {
    /// What it wants to do it to, when one line says it: the command or the path of its input, else its title.
    pub fn subject(&self) -> Option<String> {
        #[derive(Default, Deserialize)]
        struct Input {
            #[serde(default)]
            command: Option<String>,
            #[serde(default)]
            file_path: Option<String>,
            #[serde(default)]
            path: Option<String>,
        }
        let input = self.input.and_then(|input| serde_json::from_str::<Input>(input.get()).ok()).unwrap_or_default();
        let named = input.command.or(input.file_path).or(input.path);
        named.or_else(|| self.title.as_deref().map(str::to_owned))
    }
}

/// Why a line is none.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("is not a JSON object with a type: {0}")]
    Frame(serde_json::Error),
    #[error("has a payload that its type does not have: {0}")]
    Payload(serde_json::Error),
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default)]
    agent_id: Option<Cow<'a, str>>,
}

/// What one line of a link says.
pub fn read(line: &str) -> Result<Said<'_>, Malformed> {
    let Frame { kind, payload, agent_id } = serde_json::from_str(line).map_err(Malformed::Frame)?;
    let payload = payload.map_or("{}", RawValue::get);
    Ok(match kind.as_ref() {
        "identify" => Said::Identify { agent: agent_id },
        "register" => Said::Register(serde_json::from_str(line).map_err(Malformed::Payload)?),
        "keep_alive" => Said::KeepAlive,
        "pong" => Said::Pong,
        "status" => Said::Status(parsed(payload)?),
        "session_created" => turned(Turned::Created, payload)?,
        "session_loaded" => turned(Turned::Loaded, payload)?,
        "session_resumed" => turned(Turned::Resumed, payload)?,
        "session_list" => Said::Sessions,
        "model_changed" => changed(Changed::Model, payload)?,
        "mode_changed" => changed(Changed::Mode, payload)?,
        "config_option_changed" => changed(Changed::Option, payload)?,
        "session_update" => update(payload)?,
        "permission_request" => Said::Asks(parsed(payload)?),
        "prompt_complete" => Said::PromptComplete,
        "error" => {
            #[derive(Deserialize)]
            struct Error<'a> {
                #[serde(borrow, default)]
                message: Cow<'a, str>,
            }
            Said::Error { message: parsed::<Error<'_>>(payload)?.message }
        }
        _ => Said::Other,
    })
}

fn parsed<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(payload).map_err(Malformed::Payload)
}

/// Every field beside the id is another agent's habit: what cannot be read of it is not known, and no reason to lose
/// the rest.
fn turned(how: Turned, payload: &str) -> Result<Said<'_>, Malformed> {
    #[derive(Deserialize)]
    struct Session<'a> {
        #[serde(borrow, default, rename = "sessionId")]
        session: Option<Cow<'a, str>>,
    }
    let Session { session } = parsed(payload)?;
    let course = serde_json::from_str::<Named>(payload).unwrap_or_default().course();
    Ok(Said::Turned { how, session, course, offered: offered(payload) })
}

/// The first two name what is in force, the third says how all options are now.
fn changed(what: Changed, payload: &str) -> Result<Said<'_>, Malformed> {
    #[derive(Deserialize)]
    struct Ids {
        #[serde(default, rename = "modelId")]
        model: Option<String>,
        #[serde(default, rename = "modeId")]
        mode: Option<String>,
    }
    let Ids { model, mode } = parsed(payload)?;
    let course = match what {
        Changed::Model => Course { mode: None, model },
        Changed::Mode => Course { mode, model: None },
        Changed::Option => serde_json::from_str::<Named>(payload).unwrap_or_default().course(),
    };
    Ok(Said::Changed { what, course })
}

fn update(payload: &str) -> Result<Said<'_>, Malformed> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow, rename = "sessionId")]
        session: Cow<'a, str>,
        #[serde(borrow)]
        update: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Peek<'a> {
        #[serde(borrow, default, rename = "sessionUpdate")]
        kind: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        title: Option<Cow<'a, str>>,
        #[serde(borrow, default, rename = "toolCallId")]
        call: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        status: Option<Cow<'a, str>>,
    }
    let Payload { session, update } = parsed(payload)?;
    let update = update.get();
    let Ok(Peek { kind, title, call, status }) = serde_json::from_str(update) else {
        return Ok(Said::Update(Update {
            session,
            kind: Kind::Other,
            title: None,
            course: Course::default(),
            ended_call: None,
        }));
    };
    let kind = kind.unwrap_or_default();
    let named = matches!(kind.as_ref(), "current_mode_update" | "config_option_update");
    let named = named.then(|| serde_json::from_str::<Named>(update).ok()).flatten();
    let ended = matches!(status.as_deref(), Some("completed" | "failed" | "cancelled"));
    Ok(Said::Update(Update {
        session,
        title: title.filter(|_| kind == "session_info_update"),
        course: named.unwrap_or_default().course(),
        ended_call: call.filter(|_| ended),
        kind: match kind.as_ref() {
            "user_message_chunk" => Kind::User,
            "agent_message_chunk" | "agent_thought_chunk" => Kind::Agent,
            "tool_call" | "tool_call_update" => Kind::Tool,
            "plan" => Kind::Plan,
            "available_commands_update"
            | "current_mode_update"
            | "config_option_update"
            | "session_info_update"
            | "usage_update"
            | "notice"
            | "compaction_update" => Kind::About,
            _ => Kind::Other,
        },
    }))
}

/// Something a link is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
pub enum Told<'a> {
    Connect,
    Cancel,
    NewSession(&'a RawValue),
    ListSessions(&'a RawValue),
    LoadSession(&'a RawValue),
    ResumeSession(&'a RawValue),
    Prompt {
        content: &'a RawValue,
    },
    PermissionResponse {
        #[serde(rename = "requestId")]
        request: &'a str,
        outcome: super::answer::Outcome<'a>,
    },
    SetSessionModel {
        #[serde(rename = "modelId")]
        model: &'a str,
    },
    /// These two only to links that say that they know them: see [`Status::words`].
    SetSessionMode {
        #[serde(rename = "modeId")]
        mode: &'a str,
    },
    SetConfigOption {
        #[serde(rename = "configId")]
        option: &'a str,
        value: &'a str,
    },
}

/// Which conversation to turn to.
#[derive(Debug, Serialize)]
pub struct Target<'a> {
    #[serde(rename = "sessionId")]
    pub session: &'a str,
}

/// The words of [`Told`] that not every link knows.
pub const SET_MODE: &str = "set_session_mode";
/// See [`SET_MODE`].
pub const SET_OPTION: &str = "set_config_option";

/// That a link is known, in answer to how it introduced itself.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Known<'a> {
    Identified { agent_id: &'a str, channel_group_id: &'a str },
    Registered { agent_id: &'a str, channel_group_id: &'a str },
}
