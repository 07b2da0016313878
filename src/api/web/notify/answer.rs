//! An answer straight from a notification: no cookie, no key, only the token that came in it.
//!
//! The token says which question, and whom it was sent to. That they may answer is asked now and not when it was sent:
//! a browser that was signed out, a key that was revoked or lost its role answers nothing. It is worth one decision:
//! whoever shows it after that hears who decided, themselves included.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::super::{
    allow, caller::Caller, devices::note_use, endpoint::Need, error::Failure, json, permissions::winner,
};
use crate::{
    api::common::{
        Call, House, Response,
        identity::{Unknown, address},
    },
    domain::{
        Command, DeviceId, KeyId, Outcome, Refusal, RequestId, SessionId, command::Answer, event::Verdict,
        notify::TargetKind, permission::Settlement,
    },
    relay::RelayError,
    security::{
        Grant, fingerprint, random,
        throttle::ThrottleKind,
        token::{AnswerClaims, TokenError, TokenKind, verify_answer},
    },
    wire::web::{AnswerNotification, DecidedPermission, Decision, ProblemKind},
};

pub(in super::super) async fn answer(house: &Arc<House>, call: &Call) -> Result<Response, Failure> {
    let AnswerNotification { token, decision } = call.json()?;
    let claims = verified(house, &token).or_else(|unknown| {
        house.throttle.check(ThrottleKind::Login, address(call))?;
        Err(Failure::from(unknown))
    })?;
    let (key, device) = told(house, claims)?;
    let principal = house.stand_in(key, device)?;
    // A phone that answers from its lock screen alone is in use as well.
    note_use(house, &principal);
    let caller = Caller { house, call, principal };
    allow(&caller, Need::Session(Grant::PermissionDecide, claims.session))?;
    let request = asked(house, claims)?;
    if decision == Decision::Allow && !claims.may_allow {
        let detail = "this was not shown whole in the notification: open the session to allow it";
        return Err(Failure::new(ProblemKind::Forbidden, detail));
    }
    // Another one each time, so that the same token twice is not the same answer twice.
    let once: [u8; 16] = random::bytes()?;
    let verdict = if decision == Decision::Allow { Verdict::Allow } else { Verdict::Deny };
    let given = Answer {
        asked: Some(claims.asked),
        verdict,
        message: None,
        fingerprint: fingerprint([&b"notification"[..], &once]),
        payload: Bytes::new(),
        remember: None,
    };
    let command = Command::DecidePermission { session: claims.session, request: request.clone(), answer: given };
    match house.relay.submit(caller.principal.actor(), command).await {
        Ok(Outcome::Decided { sequence }) => {
            let (session_id, sequence) = (claims.session, sequence.0);
            Ok(json(StatusCode::OK, &DecidedPermission { session_id, request_id: request, decision, sequence }))
        }
        Ok(other) => Err(Failure::unexpected(&other)),
        Err(RelayError::Refused(refusal @ Refusal::AlreadyDecided { .. })) => {
            Err(lost(house, claims.session, &request, refusal))
        }
        Err(error) => Err(error.into()),
    }
}

fn verified(house: &House, token: &str) -> Result<AnswerClaims, Unknown> {
    let claims = verify_answer(&house.signing, token, house.relay.now())?;
    // The journal was restored since: the places it names are others now.
    if claims.epoch == house.relay.epoch() { Ok(claims) } else { Err(TokenError::Invalid(TokenKind::Answer).into()) }
}

/// Who was told, if they still are.
fn told(house: &House, claims: AnswerClaims) -> Result<(KeyId, Option<DeviceId>), Failure> {
    let world = house.relay.world();
    let target = world.targets().get(claims.target).ok_or(Unknown::SignedOut)?;
    // A service is nobody's browser: what comes from there comes from the key behind it.
    let device = target.added.device.filter(|_| target.added.kind == TargetKind::WebPush);
    Ok((target.added.key, device))
}

/// The question, if it still waits; else why it does not.
fn asked(house: &House, claims: AnswerClaims) -> Result<RequestId, Failure> {
    let world = house.relay.world();
    let gone = || Failure::absent(format_args!("question {} of {}", claims.asked, claims.session));
    let session = world.session(claims.session).ok_or_else(gone)?;
    if let Some(open) = session.permissions.open_at(claims.asked) {
        return Ok(open.request.clone());
    }
    let settled = session.permissions.settled_at(claims.asked).ok_or_else(gone)?;
    let request = settled.request.clone();
    Err(match &settled.how {
        Settlement::Cancelled => RelayError::Refused(Refusal::TakenBack { request }).into(),
        Settlement::Decided { verdict, by, at, message, .. } => {
            let (by, message) = (by.to_string(), message.clone());
            let refusal = Refusal::AlreadyDecided { request, verdict: *verdict, by, at: *at, message };
            let mut failure = Failure::from(RelayError::Refused(refusal));
            failure.problem.winner = winner(settled);
            failure
        }
    })
}

/// Somebody was quicker.
fn lost(house: &House, session: SessionId, request: &RequestId, refusal: Refusal) -> Failure {
    let mut failure = Failure::from(RelayError::Refused(refusal));
    let world = house.relay.world();
    let settled = world.session(session).and_then(|found| found.permissions.get_settled(request));
    failure.problem.winner = settled.and_then(winner);
    failure
}
