//! An agent's line: the WebSocket `/acp/ws` of its link.
//!
//! A link is heard as long as it is there: it sends nothing of its own, so silence says nothing, and only who was asked
//! for a sign of life and gave none is cut. What it says is [`hear`](super::hear)'s, what it is told
//! [`steps`](super::steps)'s; here is who it is, what may happen next, and how it ends.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use warp::Reply as _;

use super::{
    ask::{Ask, Reply},
    error::Failure,
    may_go_on, registration,
    steps::matters,
};
use crate::{
    api::common::{
        Call, House, Response,
        credential::Credential,
        identity::address,
        origin::Origin,
        socket::{Frame, Gone, Socket, code},
    },
    domain::{
        Actor, Command, EnvironmentId, Event, MessageId, Outcome, Record, RequestId, SessionId, Stream, agent, limits,
    },
    relay::{Heard, Link, Question, RelayError},
    security::{Grant, Principal, grant, throttle::ThrottleKind},
    wire::acp::{
        KEEP_ALIVE, PING, flat_error,
        link::{Known, Malformed, Said, Told, read},
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
const INACTIVE: Goodbye = Goodbye { code: code::NORMAL, reason: "client inactive" };
const REPLACED: Goodbye = Goodbye { code: code::REPLACED, reason: "a newer connection took over" };
const LOST: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "no answer: it is not known where this agent is" };

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
    let Line { link, flight, .. } = line;
    // Whoever waits for an answer hears that there will be none.
    drop(flight);
    link.release().await;
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
                Ok(Said::KeepAlive) => continue,
                // Dropped without a word, as by every server that links know.
                Err(Malformed::Frame(_)) => continue,
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

async fn tell(socket: &mut Socket, mut frame: String) -> Flow {
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

/// What was asked of the link and not answered yet.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) errand: Errand,
    pub(super) since: Instant,
    /// Who wants to know; nobody, where the line asked for itself.
    pub(super) reply: Option<oneshot::Sender<Bytes>>,
}

/// What it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    /// To start its program, for this conversation's sake.
    Start {
        session: Option<SessionId>,
    },
    List,
    /// To begin this conversation.
    Open {
        session: SessionId,
    },
    /// To turn to one: ours, or one of the agent's that we do not know yet.
    Turn {
        session: Option<SessionId>,
        foreign: String,
        load: bool,
    },
    Control {
        session: SessionId,
        request: RequestId,
    },
}

impl Asked {
    pub(super) fn answer(self, reply: &Reply) {
        if let Some(asker) = self.reply {
            // The viewer may be gone.
            let _unheard = asker.send(reply.words());
        }
    }
}

/// What is in flight on this connection, and nowhere else.
#[derive(Default)]
pub(super) struct Flight {
    pub(super) asked: Option<Asked>,
    /// Viewers' questions, in order.
    pub(super) queue: VecDeque<(Ask, oneshot::Sender<Bytes>)>,
    /// Those who wait for a sign of life.
    pub(super) probes: Vec<oneshot::Sender<Bytes>>,
    pub(super) pings: u64,
    pub(super) pongs: u64,
    /// The prompt that has arrived when so many pongs were heard.
    pub(super) receipt: Option<(u64, SessionId, MessageId)>,
    /// The history of a conversation that we do not know yet.
    pub(super) retold: Vec<Bytes>,
    pub(super) retold_bytes: usize,
    /// When a turn was stopped that has not ended.
    pub(super) stopped_at: Option<Instant>,
    /// Since when nothing was heard of a turn that was under way when the line came.
    pub(super) quiet_since: Option<Instant>,
}

type Wakes = SelectAll<BoxStream<'static, Result<Arc<Record>, RelayError>>>;

/// See the module.
pub(super) struct Line<'s> {
    pub(super) house: Arc<House>,
    principal: Principal,
    pub(super) environment: EnvironmentId,
    /// The word of the agent's command, by which a link tells that it had nothing to start.
    pub(super) command: String,
    pub(super) socket: &'s mut Socket,
    pub(super) flight: Flight,
    link: Link,
    /// What happens to the agent and its conversations.
    wakes: Wakes,
    followed: HashSet<SessionId>,
    closing: watch::Receiver<bool>,
    heard_at: Instant,
}

enum Next {
    Heard(Result<Frame, Gone>),
    Called(Heard),
    Woke(Result<Arc<Record>, RelayError>),
    Tick,
    Closing,
}

impl<'s> Line<'s> {
    fn new(
        house: Arc<House>,
        principal: Principal,
        environment: EnvironmentId,
        link: Link,
        socket: &'s mut Socket,
    ) -> Flow<Self> {
        let command = house.relay.world().environment(environment).map(|found| found.particulars.machine_name.clone());
        let closing = house.relay.closing();
        let stream = Stream::Environment(environment);
        let latest = house.relay.stream_tail(stream)?.map(|tail| tail.latest).unwrap_or_default();
        let mut wakes: Wakes = SelectAll::new();
        wakes.push(records(house.relay.subscribe(stream, latest)?));
        let mut line = Self {
            house,
            principal,
            environment,
            command: command.unwrap_or_default(),
            socket,
            flight: Flight::default(),
            link,
            wakes,
            followed: HashSet::new(),
            closing,
            heard_at: Instant::now(),
        };
        line.follow()?;
        Ok(line)
    }

    /// Follows the conversations that are not followed yet. Whoever looks at the world after this misses nothing.
    pub(super) fn follow(&mut self) -> Flow {
        let found: Vec<_> = {
            let world = self.house.relay.world();
            let environment = world.environment(self.environment);
            let sessions = environment.into_iter().flat_map(|found| agent::sessions(&world, found));
            sessions.filter(|found| !self.followed.contains(&found.id)).map(|found| (found.id, found.latest)).collect()
        };
        for (session, latest) in found {
            self.wakes.push(records(self.house.relay.subscribe(Stream::Session(session), latest)?));
            self.followed.insert(session);
        }
        Ok(())
    }

    async fn run(&mut self, first: Vec<String>) -> Flow {
        self.come_back().await?;
        self.hear(first).await?;
        let keepalive = self.house.settings.ws_keepalive;
        let mut ticks = interval_at(Instant::now() + keepalive, keepalive);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut idle = false;
        loop {
            if !std::mem::take(&mut idle) {
                self.work().await?;
            }
            let next = tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => Next::Closing,
                called = self.link.heard() => Next::Called(called),
                frame = self.socket.receive() => Next::Heard(frame),
                Some(record) = self.wakes.next() => Next::Woke(record),
                _ = ticks.tick() => Next::Tick,
            };
            match next {
                Next::Closing => return Err(End(Some(SHUTDOWN))),
                Next::Called(Heard::Replaced) => return Err(End(Some(REPLACED))),
                Next::Called(Heard::Asked(question)) => self.asked(question).await?,
                Next::Heard(frame) => self.heard(frame?).await?,
                Next::Woke(record) => {
                    let record = record?;
                    idle = !matters(&record.event);
                    self.woke(&record).await?;
                }
                Next::Tick => self.tick().await?,
            }
        }
    }

    /// What was under way when the line broke. What the agent said meanwhile is lost: its link keeps nothing.
    async fn come_back(&mut self) -> Flow {
        let (turn, runs) = {
            let world = self.house.relay.world();
            let found = world.environment(self.environment);
            let turn = found.and_then(|found| agent::turn(&world, found)).map(|session| session.id);
            (turn, found.and_then(|found| found.agent.as_ref()).is_some_and(|agent| agent.program.is_some()))
        };
        if let Some(session) = turn {
            self.flight.quiet_since = Some(Instant::now());
            let words = "The line to this agent was cut in the middle of a turn. What it said or asked meanwhile is \
                         lost; the turn goes on.";
            self.notice(session, words).await?;
        }
        if runs {
            // Whether the program that was known is still there. One that is gone is started, which its conversations
            // need in any case.
            let errand = Errand::Start { session: None };
            self.flight.asked = Some(Asked { errand, since: Instant::now(), reply: None });
            self.say(&Told::Connect).await?;
        }
        Ok(())
    }

    async fn asked(&mut self, Question { words, reply }: Question) -> Flow {
        match Ask::of(&words) {
            Some(Ask::Alive) => {
                self.flight.probes.push(reply);
                self.ping().await
            }
            Some(ask) if self.flight.queue.len() < limits::AGENT_ASKS_MAX => {
                self.flight.queue.push_back((ask, reply));
                Ok(())
            }
            // Dropped: its asker hears that there is no answer.
            Some(_) | None => Ok(()),
        }
    }

    /// Everything that is there already, so that what an agent streams is recorded by the batch.
    async fn heard(&mut self, first: Frame) -> Flow {
        self.heard_at = Instant::now();
        for probe in self.flight.probes.drain(..) {
            let _unheard = probe.send(Bytes::from_static(b"{}"));
        }
        let mut lines = Vec::new();
        let mut next = Some(first);
        let mut ended = None;
        while let Some(frame) = next.take() {
            let frame = text_of(frame)?.unwrap_or_default();
            lines.extend(frame.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
            if lines.len() < limits::AGENT_FRAMES_MAX {
                match self.socket.receive().now_or_never() {
                    Some(Ok(frame)) => next = Some(frame),
                    Some(Err(gone)) => ended = Some(gone),
                    None => {}
                }
            }
        }
        self.hear(lines).await?;
        ended.map_or(Ok(()), |gone| Err(gone.into()))
    }

    async fn woke(&mut self, record: &Record) -> Flow {
        match record.event {
            // Made for this agent from elsewhere. Whoever holds the line is at work on it from now on.
            Event::WorkQueued { environment, work, .. } => {
                self.submit(Command::StopWork { environment, work, force: true }).await?;
                self.follow()
            }
            Event::EnvironmentDeregistered { .. } => Err(End(Some(INACTIVE))),
            Event::SessionArchived { session } => {
                self.followed.remove(&session);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn tick(&mut self) -> Flow {
        let silent = self.flight.pings > self.flight.pongs && self.heard_at.elapsed() > self.house.settings.ws_idle;
        if silent {
            return Err(End(Some(INACTIVE)));
        }
        if !may_go_on(&self.house, &self.principal, Some(self.environment)) {
            return Err(End(Some(UNAUTHORIZED)));
        }
        let waited = self.flight.asked.as_ref().map(|asked| (asked.since.elapsed(), asked.errand.clone()));
        if let Some((waited, errand)) = waited
            && waited > Duration::from_millis(limits::AGENT_TURN_MS)
        {
            if matches!(errand, Errand::Open { .. } | Errand::Turn { .. }) {
                return Err(End(Some(LOST)));
            }
            self.fail("the agent did not answer").await?;
        }
        self.watch_turn().await?;
        self.write(KEEP_ALIVE.to_owned()).await?;
        self.ping().await?;
        Ok(self.socket.ping().await?)
    }

    /// A turn that nobody will end.
    async fn watch_turn(&mut self) -> Flow {
        let over = |since: Option<Instant>, ms| since.is_some_and(|at| at.elapsed() > Duration::from_millis(ms));
        let words = if over(self.flight.stopped_at, limits::AGENT_CANCEL_MS) {
            "The agent was told to stop and did not say that it did. Its turn is taken for over."
        } else if over(self.flight.quiet_since, limits::AGENT_SILENCE_MS) {
            "Nothing was heard of this turn since the line was cut. It is taken for over; whether the agent heard the \
             last prompt is not known."
        } else {
            return Ok(());
        };
        let turn = {
            let world = self.house.relay.world();
            let found = world.environment(self.environment);
            found.and_then(|found| agent::turn(&world, found)).map(|session| session.id)
        };
        self.end_turn(turn, crate::wire::acp::error(words)).await
    }

    /// Asks for a `pong`.
    pub(super) async fn ping(&mut self) -> Flow {
        self.flight.pings += 1;
        self.write(PING.to_owned()).await
    }

    pub(super) async fn say(&mut self, told: &Told<'_>) -> Flow {
        self.write(text(told)).await
    }

    pub(super) async fn write(&mut self, frame: String) -> Flow {
        tell(self.socket, frame).await
    }

    /// Carries a command out, however busy the writer is. A refusal is no reason to cut a healthy line: what it is
    /// about is gone.
    pub(super) async fn submit(&mut self, command: Command) -> Flow<Option<Outcome>> {
        loop {
            match self.house.relay.submit(self.actor(), command.clone()).await {
                Ok(outcome) => return Ok(Some(outcome)),
                Err(RelayError::Busy { .. }) => sleep(Duration::from_millis(limits::BUSY_RETRY_MS)).await,
                Err(RelayError::Refused(refusal)) => {
                    tracing::debug!(environment = %self.environment, %refusal, "an agent's word changed nothing");
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) const fn actor(&self) -> Actor {
        self.principal.actor()
    }
}

fn records(subscription: crate::relay::Subscription) -> BoxStream<'static, Result<Arc<Record>, RelayError>> {
    let next = |subscription: Option<crate::relay::Subscription>| async move {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(record) => Some((Ok(record), Some(subscription))),
            Err(error) => Some((Err(error), None)),
        }
    };
    stream::unfold(Some(subscription), next).boxed()
}
