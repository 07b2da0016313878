//! What a v1 worker hears: the WebSocket `/v{1,2}/session_ingress/ws/{id}`.
//!
//! One JSON object and a line end per text frame; a child parses by lines and dies of one that it cannot parse. A new
//! connection gets what the worker has not confirmed, never its own words, never history, and a control request at most
//! once. The close code tells the client whether to come back: 4001 (the session is gone) and 4003 (this credential
//! will never do) are for good, everything else is a moment's trouble.

use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Duration, Instant, MissedTickBehavior, interval_at, sleep},
};
use warp::Reply as _;

use super::{
    Endpoint, Failure,
    ingress::{epoch_of, receive_frame},
    outflow::Outflow,
    translate::Outgoing,
};
use crate::{
    api::common::{
        Call, House, Response,
        identity::Unknown,
        socket::{Frame, Gone, Socket, code},
    },
    domain::{Actor, Command, Record, Refusal, Sequence, SessionId, Stream, limits, session::check_epoch},
    relay::{Connection, Lease, RelayError, Subscription},
    security::{Denied, Principal, api_key::Rejected},
    wire::bridge::KEEP_ALIVE,
};

/// Why a connection ends.
struct Goodbye {
    code: u16,
    reason: &'static str,
}

const REPLACED: Goodbye = Goodbye { code: code::REPLACED, reason: "a newer connection took over" };
const SHUTDOWN: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "the server is shutting down" };
const SILENT: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "no sign of life" };
const TROUBLE: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "try again" };
const TOO_LARGE: Goodbye = Goodbye { code: code::TOO_LARGE, reason: "the frame is too large" };
const BINARY: Goodbye = Goodbye { code: code::UNSUPPORTED, reason: "binary frames are not taken" };
const NO_SESSION: Goodbye = Goodbye { code: code::SESSION_GONE, reason: "there is no such session" };
const ARCHIVED: Goodbye = Goodbye { code: code::SESSION_GONE, reason: "the session is archived" };
const FORBIDDEN: Goodbye = Goodbye { code: code::FORBIDDEN, reason: "this credential does not open this session" };

/// Answers the upgrade.
pub(super) fn open(house: Arc<House>, call: &Call, ws: warp::ws::Ws, session: SessionId) -> Response {
    let admitted = match house.identify(call) {
        // Will never be good again: told by a code, because every HTTP status means "try again" to this client.
        Err(Unknown::Orphaned | Unknown::Key(Rejected::Revoked { .. } | Rejected::Expired { .. })) => Err(FORBIDDEN),
        // May be good in a moment: the operator adds the key, or the rate passes.
        Err(unknown) => return Failure::from(unknown).into_response(),
        Ok(principal) => admit(&house, principal, session),
    };
    if *house.relay.closing().borrow() {
        return Failure::from(RelayError::Closing).into_response();
    }
    // Here and not once the upgrade is through: of two upgrades the later request is the newer connection, whichever
    // task runs first.
    let admitted = admitted.map(|principal| {
        let connection = house.relay.connect_as(session, epoch_of(&principal));
        (principal, connection)
    });
    let response = ws.on_upgrade(move |socket| async move {
        let mut socket = Socket::new(socket);
        let goodbye = match admitted {
            Ok((principal, connection)) => serve(&house, &principal, session, connection, &mut socket).await,
            Err(goodbye) => Some(goodbye),
        };
        if let Some(Goodbye { code, reason }) = goodbye {
            socket.close(code, reason).await;
        }
    });
    response.into_response()
}

fn admit(house: &House, principal: Principal, session: SessionId) -> Result<Principal, Goodbye> {
    match (Endpoint::IngressSocket { session }).needs().check(house, &principal) {
        // Somebody else's session is none.
        Err(Denied::Foreign) => return Err(NO_SESSION),
        Err(Denied::Role { .. } | Denied::Token { .. }) => return Err(FORBIDDEN),
        Ok(()) => {}
    }
    let world = house.relay.world();
    match world.session(session) {
        None => Err(NO_SESSION),
        Some(found) if found.archived_at.is_some() => Err(ARCHIVED),
        Some(found) if check_epoch(found, epoch_of(&principal)).is_err() => Err(FORBIDDEN),
        Some(_) => Ok(principal),
    }
}

/// Serves a connection to its end. Without a goodbye it is gone already.
async fn serve(
    house: &Arc<House>,
    principal: &Principal,
    session: SessionId,
    connection: Connection,
    socket: &mut Socket,
) -> Option<Goodbye> {
    // The connection took over before: the one it replaced may still be writing a control request, and has recorded it
    // or stops before it by the time that the items are looked at.
    house.relay.announce(Lease::Worker(session)).await;
    let opened = Outflow::open(house, session, None).and_then(|outflow| {
        let stream = Stream::Session(session);
        let latest = house.relay.stream_tail(stream)?.map(|tail| tail.latest).unwrap_or_default();
        Ok((outflow, house.relay.subscribe(stream, latest)?))
    });
    let (outflow, changes) = match opened {
        Ok(opened) => opened,
        Err(error) => return Some(trouble(session, &error)),
    };
    let now = Instant::now();
    let line = Line {
        house,
        principal,
        session,
        connection,
        outflow,
        changes,
        closing: house.relay.closing(),
        heard_at: now,
        pinged_at: None,
    };
    line.run(socket).await
}

/// One connection.
struct Line<'a> {
    house: &'a Arc<House>,
    principal: &'a Principal,
    session: SessionId,
    connection: Connection,
    outflow: Outflow,
    /// All that happens to the session: shows that its worker posts.
    changes: Subscription,
    closing: watch::Receiver<bool>,
    heard_at: Instant,
    pinged_at: Option<Instant>,
}

/// What may happen next.
enum Next {
    Ends(Goodbye),
    Heard(Result<Frame, Gone>),
    Send(Result<Outgoing, RelayError>),
    Happened(Result<Arc<Record>, RelayError>),
    Tick,
}

impl Line<'_> {
    async fn run(mut self, socket: &mut Socket) -> Option<Goodbye> {
        let keepalive = self.house.settings.ws_keepalive;
        let mut ticks = interval_at(Instant::now() + keepalive, keepalive);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = tokio::select! {
                () = self.connection.replaced() => Next::Ends(REPLACED),
                _ = self.closing.wait_for(|closing| *closing) => Next::Ends(SHUTDOWN),
                frame = socket.receive() => Next::Heard(frame),
                outgoing = self.outflow.next() => Next::Send(outgoing),
                record = self.changes.next() => Next::Happened(record),
                _ = ticks.tick() => Next::Tick,
            };
            let step = match next {
                Next::Ends(goodbye) => Err(Some(goodbye)),
                Next::Heard(frame) => self.heard(frame).await,
                Next::Send(Ok(outgoing)) => self.send(outgoing, socket).await,
                Next::Happened(Ok(record)) => {
                    self.happened(&record);
                    Ok(())
                }
                Next::Send(Err(error)) | Next::Happened(Err(error)) => Err(Some(trouble(self.session, &error))),
                Next::Tick => self.keep_alive(socket).await,
            };
            if let Err(goodbye) = step {
                return goodbye;
            }
        }
    }

    /// A ping, a frame, anything: it is there.
    async fn heard(&mut self, frame: Result<Frame, Gone>) -> Result<(), Option<Goodbye>> {
        self.heard_at = Instant::now();
        match frame {
            Ok(Frame::Alive) => Ok(()),
            Ok(Frame::Binary(_)) => Err(Some(BINARY)),
            Ok(Frame::Text(text)) => {
                let received = receive_frame(self.house, self.principal, self.session, &text).await;
                received.map_err(|error| Some(trouble(self.session, &error)))
            }
            Err(Gone::TooLarge) => Err(Some(TOO_LARGE)),
            Err(Gone::Closed | Gone::Broken) => Err(None),
        }
    }

    /// A worker writes by POST, so a connection on which nothing is heard may be in perfect health.
    fn happened(&mut self, record: &Record) {
        if record.actor == self.principal.actor() {
            self.heard_at = Instant::now();
        }
    }

    /// Cuts off only who was asked and did not answer: a client that sends no pings of its own answers ours.
    async fn keep_alive(&mut self, socket: &mut Socket) -> Result<(), Option<Goodbye>> {
        let unanswered = self.pinged_at.is_some_and(|pinged_at| self.heard_at < pinged_at);
        if unanswered && self.heard_at.elapsed() > self.house.settings.ws_idle {
            return Err(Some(SILENT));
        }
        if !self.house.is_answered_for(self.session) {
            return Err(Some(FORBIDDEN));
        }
        self.house.relay.announce(Lease::Worker(self.session)).await;
        self.write(KEEP_ALIVE.to_owned(), socket).await?;
        socket.ping().await.map_err(|_gone| None)?;
        if !unanswered {
            self.pinged_at = Some(Instant::now());
        }
        Ok(())
    }

    async fn send(&mut self, outgoing: Outgoing, socket: &mut Socket) -> Result<(), Option<Goodbye>> {
        let Outgoing { sequence, json, is_control, .. } = outgoing;
        if is_control {
            // Before it is written: a worker that gets it twice carries it out twice.
            self.mark_surely(sequence).await.map_err(|error| Some(trouble(self.session, &error)))?;
            if !self.connection.is_current() {
                // The newer connection looked either before the mark and writes it, or after and must not.
                return Err(Some(REPLACED));
            }
        }
        self.write(json, socket).await?;
        if !is_control && let Err(error) = self.mark(sequence).await {
            // It is due until the worker confirms it, so nothing is lost without the record.
            tracing::debug!(session = %self.session, %error, "a delivered item was not recorded");
        }
        Ok(())
    }

    async fn write(&self, mut json: String, socket: &mut Socket) -> Result<(), Option<Goodbye>> {
        json.push('\n');
        socket.send(json).await.map_err(|_gone| None)
    }

    async fn mark(&self, sequence: Sequence) -> Result<(), RelayError> {
        let command = Command::MarkDelivered { session: self.session, items: vec![sequence] };
        self.house.relay.submit(self.actor(), command).await.map(drop)
    }

    /// Records an item however busy the writer is.
    async fn mark_surely(&self, sequence: Sequence) -> Result<(), RelayError> {
        loop {
            match self.mark(sequence).await {
                Err(RelayError::Busy { .. }) => sleep(Duration::from_millis(limits::BUSY_RETRY_MS)).await,
                other => return other,
            }
        }
    }

    const fn actor(&self) -> Actor {
        self.principal.actor()
    }
}

/// Unless the session is over, the client comes back and goes on from what it has confirmed.
fn trouble(session: SessionId, error: &RelayError) -> Goodbye {
    match error {
        RelayError::Closing => return SHUTDOWN,
        RelayError::Refused(Refusal::Archived(_)) => return ARCHIVED,
        RelayError::Refused(Refusal::NoSession(_)) => return NO_SESSION,
        _ => {}
    }
    tracing::warn!(%session, %error, "a worker's connection ended early");
    TROUBLE
}
