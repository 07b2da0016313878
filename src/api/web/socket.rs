//! A session's stream over a WebSocket: one event per text frame. What the client sends is heard as a sign of life and
//! nothing else; steering goes by requests, which have answers.

use std::{sync::Arc, time::Instant};

use super::{events::Reader, render};
use crate::{
    api::common::{
        socket::{Frame, Gone, Socket, code},
        stream::note_lag,
    },
    domain::Record,
    relay::{RelayError, Subscription},
};

/// Why a socket ends: a code and a few words.
type Farewell = (u16, &'static str);

/// Follows the stream until either side has enough.
pub(super) async fn follow(reader: Reader, mut subscription: Subscription, open: warp::ws::WebSocket) {
    let mut socket = Socket::new(open);
    let session = reader.session;
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
            Happened::Next(_) | Happened::Tick if !reader.may_go_on() => {
                return Ok((code::FORBIDDEN, "the credential of this socket is no longer valid"));
            }
            Happened::Next(Ok(record)) => {
                note_lag(subscription);
                let mut text = Vec::with_capacity(record.payload.len() + 256);
                render::event(&record, &mut text);
                socket.send(String::from_utf8_lossy(&text).into_owned()).await?;
            }
            Happened::Next(Err(error)) => return farewell(reader, socket, &error).await,
            Happened::Heard(Ok(Frame::Text(_) | Frame::Alive)) => heard = Instant::now(),
            Happened::Heard(Ok(Frame::Binary(_))) => {
                return Ok((code::UNSUPPORTED, "this socket takes no binary frames"));
            }
            Happened::Heard(Err(Gone::TooLarge)) => return Ok((code::TOO_LARGE, "the frame is too large")),
            Happened::Heard(Err(gone)) => return Err(gone),
            Happened::Tick if heard.elapsed() > settings.ws_idle => return Err(Gone::Closed),
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
