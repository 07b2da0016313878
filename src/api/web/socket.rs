//! A session's stream over a WebSocket: one event per text frame. What the client sends is heard as a sign of life and
//! nothing else; steering goes by requests, which have answers.

use std::{sync::Arc, time::Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;

use super::{devices, error::Failure, events::Reader, render};
use crate::{
    api::common::{
        Call, House,
        identity::Unknown,
        socket::{Frame, Gone, Socket, code},
        stream::note_lag,
    },
    domain::{Record, SessionId},
    relay::{RelayError, Subscription},
    security::Principal,
    wire::web::SOCKET_AUTH_PREFIX,
};

/// The subprotocol to offer beside the credential, so that the credential need not be echoed.
const PLAIN_PROTOCOL: &str = "rcs.v1";

/// What a socket is opened with: a header, or for browsers a subprotocol.
pub(super) struct Credential {
    /// None: whatever cookie there is.
    pub(super) token: Option<String>,
    /// What to echo: a client that offered subprotocols hangs up unless one of them is chosen.
    pub(super) protocol: Option<HeaderValue>,
}

impl Credential {
    pub(super) fn of(call: &Call) -> Result<Self, Failure> {
        let offered = call.header("sec-websocket-protocol").unwrap_or_default();
        let offered: Vec<&str> = offered.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let secret = offered.iter().find_map(|name| Some((*name, name.strip_prefix(SOCKET_AUTH_PREFIX)?)));
        let chosen = offered.iter().copied().find(|name| *name == PLAIN_PROTOCOL);
        let protocol = chosen.or(secret.map(|(name, _)| name)).and_then(|name| HeaderValue::from_str(name).ok());
        let token = match (call.bearer().or_else(|| call.header("x-api-key")), secret) {
            (Some(token), _) => Some(token.to_owned()),
            (None, Some((_, encoded))) => {
                let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok();
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                let reason = "must carry the base64url form of an API key after `rcs.auth.`";
                Some(text.ok_or_else(|| Failure::field("Sec-WebSocket-Protocol", reason))?)
            }
            (None, None) if devices::cookie(call).is_some() => None,
            (None, None) => return Err(Unknown::Missing.into()),
        };
        Ok(Self { token, protocol })
    }
}

/// Why a socket ends: a code and a few words.
type Farewell = (u16, &'static str);

/// Follows the stream until either side has enough.
pub(super) async fn follow(
    house: Arc<House>,
    principal: Principal,
    session: SessionId,
    mut subscription: Subscription,
    open: warp::ws::WebSocket,
) {
    let mut socket = Socket::new(open);
    let reader = Reader { house, principal, session };
    match run(&reader, &mut subscription, &mut socket).await {
        Ok((code, reason)) => socket.close(code, reason).await,
        Err(gone) => tracing::debug!(%gone, %session, "a reader's socket ended"),
    }
}

/// What a socket waits for.
enum Happened {
    Next(Result<Arc<Record>, RelayError>),
    Heard(Result<Frame, Gone>),
    Tick,
    Closing,
}

async fn run(reader: &Reader, subscription: &mut Subscription, socket: &mut Socket) -> Result<Farewell, Gone> {
    let settings = &reader.house.settings;
    let mut closing = reader.house.relay.closing();
    let mut ticks = tokio::time::interval(settings.ws_keepalive);
    let mut heard = Instant::now();
    loop {
        let happened = tokio::select! {
            next = subscription.next() => Happened::Next(next),
            frame = socket.receive() => Happened::Heard(frame),
            _ = ticks.tick() => Happened::Tick,
            () = async { drop(closing.wait_for(|closing| *closing).await) } => Happened::Closing,
        };
        match happened {
            Happened::Next(Ok(record)) => {
                note_lag(subscription);
                let mut text = Vec::with_capacity(record.payload.len() + 256);
                render::event(&record, &mut text);
                socket.send(String::from_utf8_lossy(&text).into_owned()).await?;
            }
            Happened::Next(Err(error)) => return farewell(reader, socket, &error).await,
            Happened::Heard(Ok(Frame::Text(_) | Frame::Alive)) => heard = Instant::now(),
            Happened::Heard(Ok(Frame::Binary)) => {
                return Ok((code::UNSUPPORTED, "this socket takes no binary frames"));
            }
            Happened::Heard(Err(Gone::TooLarge)) => return Ok((code::TOO_LARGE, "the frame is too large")),
            Happened::Heard(Err(gone)) => return Err(gone),
            Happened::Tick if heard.elapsed() > settings.ws_idle => return Err(Gone::Closed),
            Happened::Tick if !reader.may_go_on() => {
                return Ok((code::FORBIDDEN, "the credential of this socket is no longer valid"));
            }
            Happened::Tick => socket.ping().await?,
            Happened::Closing => return Ok((code::GOING_AWAY, "the server is shutting down")),
        }
    }
}

async fn farewell(reader: &Reader, socket: &mut Socket, error: &RelayError) -> Result<Farewell, Gone> {
    if let Some(gap) = reader.gap(error).and_then(|gap| serde_json::to_string(&gap).ok()) {
        socket.send(gap).await?;
        return Ok((code::SESSION_GONE, "the stream cannot go on from there"));
    }
    tracing::error!(%error, session = %reader.session, "a stream broke");
    Ok((code::GOING_AWAY, "the stream broke; connect again"))
}
