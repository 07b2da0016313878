//! Changes of an agent's course: four, each with a body, a grant and a check of its own. Nothing is passed through.

use http::StatusCode;

use super::{
    caller::{Caller, plain_text},
    error::Failure,
    json,
};
use crate::{
    api::common::Response,
    domain::{Command, Outcome, RequestId, Sequence, SessionId, event::Control, limits},
    security::{Grant, grant},
    wire::web::{ControlRequested, SetMode, SetModel, SetThinking},
};

/// The modes that an agent knows. It would take any text, nonsense included, and confirm it.
pub(super) const MODES: [&str; 5] = ["default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"];

/// Whether the caller may ask for this mode, if there is such a one.
pub(super) fn may_use(caller: &Caller<'_>, mode: &str) -> bool {
    caller.holds(Grant::ControlMode).is_ok() && check_asking(caller, mode).is_ok()
}

/// Whether the caller may ask for this mode, wherever it stands.
pub(super) fn check_mode(caller: &Caller<'_>, field: &str, mode: &str) -> Result<(), Failure> {
    if !MODES.contains(&mode) {
        return Err(Failure::field(field, &format!("must name one of the modes {}", MODES.join(", "))));
    }
    check_asking(caller, mode)
}

fn check_asking(caller: &Caller<'_>, mode: &str) -> Result<(), Failure> {
    if grant::asks_nothing(mode) {
        caller.holds(Grant::AdminAll)?;
    }
    Ok(())
}

/// The same in a conversation that is there: one of an agent behind a link has the modes that its agent announced,
/// which are the writer's to compare with.
pub(super) fn check_mode_of(caller: &Caller<'_>, session: SessionId, field: &str, mode: &str) -> Result<(), Failure> {
    let announced = caller.house.relay.world().session(session).is_some_and(|found| found.bound.is_some());
    if announced {
        plain_text(field, mode, limits::NAME_BYTES_MAX)?;
        return check_asking(caller, mode);
    }
    check_mode(caller, field, mode)
}

pub(super) async fn interrupt(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    Ok(accepted(request(caller, session, Control::Interrupt).await?))
}

pub(super) async fn set_mode(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let SetMode { mode } = caller.body()?;
    check_mode_of(caller, session, "mode", &mode)?;
    Ok(accepted(request(caller, session, Control::SetPermissionMode { mode }).await?))
}

pub(super) async fn set_model(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let SetModel { model } = caller.body()?;
    let model = plain_text("model", &model, limits::NAME_BYTES_MAX)?;
    Ok(accepted(request(caller, session, Control::SetModel { model }).await?))
}

pub(super) async fn set_thinking(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let SetThinking { max_thinking_tokens } = caller.body()?;
    Ok(accepted(request(caller, session, Control::SetMaxThinkingTokens { max_thinking_tokens }).await?))
}

fn accepted((request_id, sequence): (RequestId, Sequence)) -> Response {
    json(StatusCode::ACCEPTED, &ControlRequested { request_id, sequence: sequence.0 })
}

/// Puts a change of course on its way. The grant was asked for before.
pub(super) async fn request(
    caller: &Caller<'_>,
    session: SessionId,
    control: Control,
) -> Result<(RequestId, Sequence), Failure> {
    let request = caller.house.fresh()?.to_string().parse()?;
    match caller.submit(Command::RequestControl { session, request, control }).await? {
        Outcome::Requested { request, sequence } => Ok((request, sequence)),
        other => Err(Failure::unexpected(&other)),
    }
}
