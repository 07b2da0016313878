//! Deciding what an agent asks. One decision wins: the same answer again has the same result, another one hears of the
//! winner.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::{
    caller::Caller,
    control,
    error::Failure,
    json,
    permissions::{request_payload, winner},
};
use crate::{
    api::common::Response,
    domain::{
        Command, Outcome, RequestId, Sequence, SessionId,
        command::{Answer, Refusal},
        event::{Rule, Verdict},
        limits,
        permission::Open,
    },
    relay::RelayError,
    security::{Grant, fingerprint},
    wire::web::{DecidePermission, DecidedPermission, Decision, Scope},
};

/// Answered by a person each time: a rule would answer a question nobody has read.
pub(super) const ASKED_EACH_TIME: [&str; 3] = ["AskUserQuestion", "ExitPlanMode", "EnterPlanMode"];
/// The tool whose questions have answers rather than a yes or no.
const ASKS_QUESTIONS: &str = "AskUserQuestion";

pub(super) async fn decide(caller: &Caller<'_>, session: SessionId, request: RequestId) -> Result<Response, Failure> {
    let body: DecidePermission = caller.body()?;
    let decision = body.decision;
    let sequence = settle(caller, session, &request, body).await?;
    let decided = DecidedPermission { session_id: session, request_id: request, decision, sequence: sequence.0 };
    Ok(json(StatusCode::OK, &decided))
}

/// Decides, from whichever body the answer came.
pub(super) async fn settle(
    caller: &Caller<'_>,
    session: SessionId,
    request: &RequestId,
    body: DecidePermission,
) -> Result<Sequence, Failure> {
    check(caller, &body)?;
    let asked = {
        let world = caller.house.relay.world();
        let found = world.session(session).ok_or_else(|| Failure::absent(session))?;
        found.permissions.get_open(request).cloned()
    };
    let answer = match &asked {
        Some(open) => answer(caller, session, open, body)?,
        // It is settled or unknown: what counts is whether it is the same answer.
        None => bare_answer(&body),
    };
    let command = Command::DecidePermission { session, request: request.clone(), answer };
    match caller.try_submit(command).await? {
        Ok(Outcome::Decided { sequence }) => Ok(sequence),
        Ok(other) => Err(Failure::unexpected(&other)),
        Err(RelayError::Refused(refusal @ Refusal::AlreadyDecided { .. })) => {
            let mut failure = Failure::from(RelayError::Refused(refusal));
            let world = caller.house.relay.world();
            let settled = world.session(session).and_then(|found| found.permissions.get_settled(request));
            failure.problem.winner = settled.and_then(winner);
            Err(failure)
        }
        Err(error) => Err(error.into()),
    }
}

/// What can be said of an answer without knowing the question.
fn check(caller: &Caller<'_>, body: &DecidePermission) -> Result<(), Failure> {
    let refuse =
        |field: &str, given: bool, reason: &str| if given { Err(Failure::field(field, reason)) } else { Ok(()) };
    match body.decision {
        Decision::Allow => refuse("message", body.message.is_some(), "goes with a denial only")?,
        Decision::Deny => {
            let with = "goes with an allowance only";
            refuse("updated_input", body.updated_input.is_some(), with)?;
            refuse("updated_permissions", body.updated_permissions.is_some(), with)?;
            refuse("answers", body.answers.is_some(), with)?;
            refuse("scope", body.scope == Scope::Session, "must be once with a denial")?;
        }
    }
    if body.message.as_ref().is_some_and(|words| words.len() > limits::DENIAL_BYTES_MAX) {
        return Err(Failure::field("message", &format!("must have at most {} bytes", limits::DENIAL_BYTES_MAX)));
    }
    let input = body.updated_input.as_deref();
    refuse("updated_input", input.is_some_and(|input| !input.get().starts_with('{')), "must be an object")?;
    body.updated_permissions.as_deref().map_or(Ok(()), |updates| check_updates(caller, updates))
}

/// A permission update, as far as it is looked at. The kinds are an allow-list: a later client may learn worse ones.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Update {
    AddRules {},
    ReplaceRules {},
    RemoveRules {},
    AddDirectories {},
    RemoveDirectories {},
    SetMode { mode: String },
}

/// Updates may switch the mode, which needs what switching the mode needs.
fn check_updates(caller: &Caller<'_>, updates: &RawValue) -> Result<(), Failure> {
    const FIELD: &str = "updated_permissions";
    let updates: Vec<Update> = serde_json::from_str(updates.get())
        .map_err(|error| Failure::field(FIELD, &format!("is not a list of updates: {error}")))?;
    for update in updates {
        if let Update::SetMode { mode } = update {
            caller.holds(Grant::ControlMode)?;
            control::check_mode(caller, FIELD, &mode)?;
        }
    }
    Ok(())
}

/// Digest of the answer as it was given, which a repetition of the request has again.
fn bare_answer(body: &DecidePermission) -> Answer {
    let verdict = match body.decision {
        Decision::Allow => Verdict::Allow,
        Decision::Deny => Verdict::Deny,
    };
    let raw = |value: &Option<Box<RawValue>>| value.as_ref().map_or(String::new(), |value| value.get().to_owned());
    let answers = body.answers.as_ref().map_or(String::new(), |answers| Value::Object(answers.clone()).to_string());
    let parts = [
        if verdict == Verdict::Allow { "allow" } else { "deny" }.to_owned(),
        if body.scope == Scope::Session { "session" } else { "once" }.to_owned(),
        body.message.clone().unwrap_or_default(),
        raw(&body.updated_input),
        raw(&body.updated_permissions),
        answers,
    ];
    Answer {
        asked: None,
        verdict,
        message: body.message.clone().filter(|words| !words.is_empty()),
        fingerprint: fingerprint(parts.iter().map(String::as_bytes)),
        payload: Bytes::new(),
        remember: None,
    }
}

/// What goes with a decision, in the neutral form that is kept.
#[derive(Serialize)]
struct Extras<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_input: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_permissions: Option<&'a RawValue>,
}

fn answer(caller: &Caller<'_>, session: SessionId, open: &Open, body: DecidePermission) -> Result<Answer, Failure> {
    let mut answer = Answer { asked: Some(open.sequence), ..bare_answer(&body) };
    let DecidePermission { scope, updated_input, updated_permissions, answers, .. } = body;
    if scope == Scope::Session {
        if ASKED_EACH_TIME.contains(&open.tool.as_str()) {
            return Err(Failure::field("scope", &format!("must be once: {} is asked each time", open.tool)));
        }
        answer.remember = Some(rule(open));
    }
    let updated_input = match answers {
        None => updated_input,
        Some(_) if open.tool != ASKS_QUESTIONS => {
            return Err(Failure::field("answers", &format!("goes with {ASKS_QUESTIONS} only, not with {}", open.tool)));
        }
        Some(answers) => Some(answered(caller, session, open, updated_input, answers)?),
    };
    let extras =
        Extras { updated_input: updated_input.as_deref(), updated_permissions: updated_permissions.as_deref() };
    if extras.updated_input.is_some() || extras.updated_permissions.is_some() {
        let payload = serde_json::to_vec(&extras);
        answer.payload = payload.map_err(|error| Failure::field("updated_input", &error.to_string()))?.into();
    }
    Ok(answer)
}

/// The rule that a "for this session" makes, under a name that people see beside what it decides.
fn rule(open: &Open) -> Rule {
    let name = match &open.subject {
        Some(subject) => format!("{} {subject}", open.tool),
        None => open.tool.clone(),
    };
    let name = name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect();
    Rule { name, tool: open.tool.clone(), subject: open.subject.clone() }
}

/// The question as the worker sent it, as far as its input.
#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow)]
    request: Asked<'a>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

/// The input with the answers in it, which is where the agent looks for them. Everything else stays as it came.
fn answered(
    caller: &Caller<'_>,
    session: SessionId,
    open: &Open,
    updated: Option<Box<RawValue>>,
    answers: Map<String, Value>,
) -> Result<Box<RawValue>, Failure> {
    const FIELD: &str = "answers";
    let input = match updated {
        Some(updated) => Some(updated),
        None => request_payload(caller, session, open.sequence)?.and_then(|payload| {
            let question: Question<'_> = serde_json::from_str(payload.get()).ok()?;
            question.request.input.map(ToOwned::to_owned)
        }),
    };
    let input = input.ok_or_else(|| Failure::field("updated_input", "is needed: the question itself is gone"))?;
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(input.get()).map_err(|_| Failure::field("updated_input", "must be an object"))?;
    let mut texts = Map::new();
    for (question, answer) in answers {
        let text = match answer {
            Value::String(text) => text,
            // Several choices are one text to the agent.
            Value::Array(choices) => {
                let choices: Option<Vec<&str>> = choices.iter().map(Value::as_str).collect();
                choices.ok_or_else(|| Failure::field(FIELD, "must hold texts or lists of texts"))?.join(", ")
            }
            _ => return Err(Failure::field(FIELD, "must hold texts or lists of texts")),
        };
        texts.insert(question, Value::String(text));
    }
    let raw = |value: &dyn Fn() -> serde_json::Result<Box<RawValue>>| {
        value().map_err(|error| Failure::field(FIELD, &error.to_string()))
    };
    members.insert("answers".into(), raw(&|| to_raw_value(&texts))?);
    raw(&|| to_raw_value(&members))
}
