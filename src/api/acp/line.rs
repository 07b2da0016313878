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
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use super::{
    ask::{Ask, Reply},
    door::{End, Flow, INACTIVE, LOST, REPLACED, SHUTDOWN, UNAUTHORIZED, tell, text_of},
    may_go_on,
    steps::matters,
};
use crate::{
    api::common::{
        House,
        socket::{Frame, Gone, Socket},
    },
    domain::{
        Actor, Command, EnvironmentId, Event, MessageId, Outcome, Record, RequestId, SessionId, Stream,
        agent::{self, Steering},
        limits,
    },
    relay::{Heard, Link, Question, RelayError, Subscription},
    security::Principal,
    wire::acp::{KEEP_ALIVE, PING, error, link::Told, text},
};

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
        /// What changes if the answer is yes.
        by: Steering,
        wanted: String,
    },
    /// To tell this conversation from its beginning, because of a turn that was torn.
    Retell {
        session: SessionId,
        foreign: String,
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
    pub(super) fn new(
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

    /// Lets go of the line. Whoever waits for an answer hears that there will be none.
    pub(super) async fn release(self) {
        let Self { link, flight, .. } = self;
        drop(flight);
        link.release().await;
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

    pub(super) async fn run(&mut self, first: Vec<String>) -> Flow {
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
            if !may_go_on(&self.house, &self.principal, Some(self.environment)) {
                return Err(End(Some(UNAUTHORIZED)));
            }
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
                         lost; the turn goes on. If it waits for an answer to a question that is not here, stop it.";
            self.submit(Command::TearTurn { session, payload: error(words).into() }).await?;
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
            Some(Ask::Alive) if self.flight.probes.len() < limits::AGENT_ASKS_MAX => {
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
        let waited = self.flight.asked.as_ref().map(|asked| (asked.since.elapsed(), asked.errand.clone()));
        if let Some((waited, errand)) = waited
            && waited > Duration::from_millis(limits::AGENT_TURN_MS)
        {
            if matches!(errand, Errand::Open { .. } | Errand::Turn { .. } | Errand::Retell { .. }) {
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
        self.end_turn(turn, error(words)).await
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

fn records(subscription: Subscription) -> BoxStream<'static, Result<Arc<Record>, RelayError>> {
    let next = |subscription: Option<Subscription>| async move {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(record) => Some((Ok(record), Some(subscription))),
            Err(error) => Some((Err(error), None)),
        }
    };
    stream::unfold(Some(subscription), next).boxed()
}
