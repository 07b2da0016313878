//! How sockets of this room begin and end: whose they are, what they are closed with, and how a link says who it is.
//!
//! Who is not let in is let in and told so by a close code: that is all that these clients read.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use warp::Reply as _;

use super::{error::Failure, line::Line, registration};
use crate::{
    api::common::{
        Call, House, Response,
        credential::Credential,
        identity::address,
        origin::Origin,
        socket::{Frame, Gone, Socket, code},
    },
    domain::{EnvironmentId, limits},
    relay::{Link, RelayError},
    security::{Grant, Principal, grant, throttle::ThrottleKind},
    wire::acp::{
        flat_error,
        link::{Known, Malformed, Said, read},
        text,
    },
};

/// Why a line, or a viewer's socket, ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Goodbye {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

pub(super) const UNAUTHORIZED: Goodbye = Goodbye { code: code::FORBIDDEN, reason: "unauthorized" };
pub(super) const SHUTDOWN: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "server_shutdown" };
pub(super) const TROUBLE: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "try again" };
pub(super) const TOO_LARGE: Goodbye = Goodbye { code: code::TOO_LARGE, reason: "message too large" };
pub(super) const NO_TEXT: Goodbye = Goodbye { code: code::UNSUPPORTED, reason: "unsupported message payload" };
pub(super) const INACTIVE: Goodbye = Goodbye { code: code::NORMAL, reason: "client inactive" };
pub(super) const REPLACED: Goodbye = Goodbye { code: code::REPLACED, reason: "a newer connection took over" };
pub(super) const LOST: Goodbye =
    Goodbye { code: code::GOING_AWAY, reason: "no answer: it is not known where this agent is" };

/// Why it cannot go on; without a goodbye its peer is gone.
pub(super) struct End(pub(super) Option<Goodbye>);

impl From<Gone> for End {
    fn from(gone: Gone) -> Self {
        Self(match gone {
            Gone::TooLarge => Some(TOO_LARGE),
            Gone::Closed | Gone::Broken => None,
        })
    }
}

impl From<RelayError> for End {
    fn from(error: RelayError) -> Self {
        if matches!(error, RelayError::Closing) {
            return Self(Some(SHUTDOWN));
        }
        tracing::warn!(%error, "an agent's line or a viewer's socket ended early");
        Self(Some(TROUBLE))
    }
}

pub(super) type Flow<T = ()> = Result<T, End>;

/// Who opens a socket, with this grant; the credential comes along because its subprotocol must be echoed.
pub(super) fn admit(
    house: &House,
    call: &Call,
    grant: Grant,
) -> Result<(Principal, Credential), (Goodbye, Option<Credential>)> {
    // A page of another site has no business here, whatever credential its browser remembers.
    if Origin::of(&house.settings, call).may_act().is_err() {
        return Err((UNAUTHORIZED, Credential::of(call).ok()));
    }
    let Ok(credential) = Credential::of(call) else { return Err((UNAUTHORIZED, None)) };
    let Ok(principal) = house.identify_token(&credential.token) else {
        // The rate says when to look at the next one, and the close code says no in any case.
        let _counted = house.throttle.check(ThrottleKind::Login, address(call));
        return Err((UNAUTHORIZED, Some(credential)));
    };
    let may = matches!(principal, Principal::Environment(_)) && grant == Grant::EnvironmentRun;
    if may || grant::holds(&principal, grant).is_ok() {
        Ok((principal, credential))
    } else {
        Err((UNAUTHORIZED, Some(credential)))
    }
}

/// Answers the upgrade.
pub(super) fn open(house: Arc<House>, call: &Call, ws: warp::ws::Ws) -> Response {
    if *house.relay.closing().borrow() {
        return Failure::from(RelayError::Closing).into_response();
    }
    let (admitted, credential) = match admit(&house, call, Grant::EnvironmentRun) {
        Ok((principal, credential)) => (Ok(principal), Some(credential)),
        Err((goodbye, credential)) => (Err(goodbye), credential),
    };
    let upgraded = ws.on_upgrade(move |socket| async move {
        let mut socket = Socket::new(socket);
        let end = match admitted {
            Ok(principal) => serve(house, principal, &mut socket).await,
            Err(goodbye) => End(Some(goodbye)),
        };
        if let End(Some(Goodbye { code, reason })) = end {
            socket.close(code, reason).await;
        }
    });
    let mut response = upgraded.into_response();
    if let Some(credential) = credential {
        credential.echo(&mut response);
    }
    response
}

/// A frame as text. Some links send theirs as bytes.
pub(super) fn text_of(frame: Frame) -> Flow<Option<String>> {
    match frame {
        Frame::Text(text) => Ok(Some(text)),
        Frame::Binary(bytes) => match String::from_utf8(bytes.into()) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(End(Some(NO_TEXT))),
        },
        Frame::Alive => Ok(None),
    }
}

async fn serve(house: Arc<House>, principal: Principal, socket: &mut Socket) -> End {
    let met = timeout(Duration::from_millis(limits::AGENT_IDENTIFY_MS), meet(&house, &principal, socket));
    let (environment, link, rest) = match met.await {
        Ok(Ok(met)) => met,
        Ok(Err(end)) => return end,
        Err(_) => return End(Some(INACTIVE)),
    };
    let mut line = match Line::new(house, principal, environment, link, socket) {
        Ok(line) => line,
        Err(end) => return end,
    };
    let end = match line.run(rest).await {
        Ok(()) => End(None),
        Err(end) => end,
    };
    line.release().await;
    end
}

/// Listens until somebody says who it is. Lines behind that in the same frame are the first words on its line.
async fn meet(
    house: &Arc<House>,
    principal: &Principal,
    socket: &mut Socket,
) -> Flow<(EnvironmentId, Link, Vec<String>)> {
    let mut closing = house.relay.closing();
    loop {
        let frame = tokio::select! {
            frame = socket.receive() => frame?,
            _ = closing.wait_for(|closing| *closing) => return Err(End(Some(SHUTDOWN))),
        };
        let Some(text_frame) = text_of(frame)? else { continue };
        let mut lines = text_frame.lines().filter(|line| !line.trim().is_empty());
        while let Some(line) = lines.next() {
            let (known, legacy) = match read(line) {
                Ok(Said::Identify { agent: None }) => {
                    tell(socket, flat_error("Missing agent_id")).await?;
                    continue;
                }
                Ok(Said::Identify { agent: Some(id) }) => match id.parse() {
                    Ok(id) => (registration::identify(house, principal.actor(), id).await, false),
                    Err(_) => (Err(Failure::NotFound), false),
                },
                Ok(Said::Register(said)) => match registration::newcomer(house, principal, said).await {
                    Ok(id) => (registration::identify(house, principal.actor(), id).await, true),
                    Err(failure) => (Err(failure), true),
                },
                // What is no frame is dropped without a word, as by every server that links know.
                Ok(Said::KeepAlive) | Err(Malformed::Frame(_)) => continue,
                Ok(_) | Err(Malformed::Payload(_)) => {
                    tell(socket, flat_error("Not registered. Send register message first.")).await?;
                    continue;
                }
            };
            match known {
                Ok((environment, link)) => {
                    introduce(house, environment, legacy, socket).await?;
                    return Ok((environment, link, lines.map(str::to_owned).collect()));
                }
                Err(failure) if registration::is_unknown(&failure) && !legacy => {
                    tell(socket, flat_error("Agent not found")).await?;
                }
                Err(Failure::Relay(RelayError::Closing)) => return Err(End(Some(SHUTDOWN))),
                Err(failure) => tell(socket, flat_error(&failure.to_string())).await?,
            }
        }
    }
}

pub(super) async fn tell(socket: &mut Socket, mut frame: String) -> Flow {
    frame.push('\n');
    Ok(socket.send(frame).await?)
}

async fn introduce(house: &House, environment: EnvironmentId, legacy: bool, socket: &mut Socket) -> Flow {
    let agent_id = environment.to_string();
    let group = house.relay.world().environment(environment).and_then(|found| found.particulars.group.clone());
    // Links want one, and nothing hangs on it.
    let group = group.unwrap_or_else(|| format!("group_{}", &environment.uuid().as_simple().to_string()[20..]));
    let (agent_id, channel_group_id) = (agent_id.as_str(), group.as_str());
    let known = if legacy {
        Known::Registered { agent_id, channel_group_id }
    } else {
        Known::Identified { agent_id, channel_group_id }
    };
    tell(socket, text(&known)).await
}
