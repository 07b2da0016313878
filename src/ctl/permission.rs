//! `rcsctl permission list|allow|deny`.

use clap::{Args, Subcommand};
use serde_json::value::RawValue;

use super::{Context, CtlError, list::List};
use crate::{
    domain::{RequestId, SessionId},
    wire::web::{DecidePermission, DecidedPermission, Decision, Permission as Wire, Scope},
};

/// See [`Command::Permission`](super::cli::Command::Permission).
#[derive(Debug, Subcommand)]
pub(crate) enum Permission {
    /// List the questions that wait for a decision
    List(Several),
    /// Say yes
    Allow(Allow),
    /// Say no
    Deny(Deny),
}

/// `list`.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

/// Which question.
#[derive(Debug, Args)]
struct Question {
    /// The session that asks
    #[arg(value_name = "SESSION")]
    session_id: SessionId,
    /// The question's id
    #[arg(value_name = "REQUEST")]
    request_id: RequestId,
}

/// `allow`.
#[derive(Debug, Args)]
pub(crate) struct Allow {
    #[command(flatten)]
    question: Question,
    /// From now on allow the same tool on the same subject in this session without asking
    #[arg(long)]
    session: bool,
    /// Let it run with this input instead, as JSON
    #[arg(long, value_name = "JSON", value_parser = json)]
    input: Option<Box<RawValue>>,
}

/// `deny`.
#[derive(Debug, Args)]
pub(crate) struct Deny {
    #[command(flatten)]
    question: Question,
    /// What the agent is told
    #[arg(short, long, value_name = "WORDS")]
    message: Option<String>,
}

impl Permission {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::List(several) => List {
                path: "/permissions",
                query: &[],
                limit: several.limit,
                headings: &["SESSION", "REQUEST", "ASKED", "TOOL", "ON", "TITLE"],
                nothing: "nobody waits for a decision",
            }
            .print(context, |asked: Wire| {
                let subject = asked.subject.unwrap_or_default();
                let title = asked.session_title.unwrap_or_default();
                let (session, request) = (asked.session_id.to_string(), asked.request_id.to_string());
                [session, request, asked.asked_at, asked.tool, subject, title]
            }),
            Self::Allow(Allow { question, session, input }) => {
                let scope = if session { Scope::Session } else { Scope::Once };
                decide(context, &question, Decision::Allow, scope, None, input)
            }
            Self::Deny(Deny { question, message }) => {
                decide(context, &question, Decision::Deny, Scope::Once, message, None)
            }
        }
    }
}

fn decide(
    context: &mut Context<'_>,
    Question { session_id, request_id }: &Question,
    decision: Decision,
    scope: Scope,
    message: Option<String>,
    updated_input: Option<Box<RawValue>>,
) -> Result<(), CtlError> {
    let body = DecidePermission { decision, scope, message, updated_input, updated_permissions: None, answers: None };
    let path = format!("/sessions/{session_id}/permissions/{request_id}");
    let decided: DecidedPermission = context.client()?.post(&path, &body)?;
    let word = match decided.decision {
        Decision::Allow => "allowed",
        Decision::Deny => "denied",
    };
    context.out.say(&decided, format!("{word}: #{} of {session_id}", decided.sequence))
}

fn json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
