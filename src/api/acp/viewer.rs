//! A viewer's socket: `/acp/relay/{agent}`.
//!
//! It hears of the agent only whether it can be reached, and of one conversation everything: the one that it began,
//! loaded or resumed. What it says is [`wishes`](super::wishes)'s.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};
use warp::Reply as _;

use super::{
    door::{End, Flow, Goodbye, SHUTDOWN, UNAUTHORIZED, admit, text_of},
    error::Failure,
    may_go_on,
    outgoing::record,
    retold::Retold,
    show,
};
use crate::{
    api::common::{
        Call, House, Response,
        socket::{Frame, Gone, Socket, code},
    },
    domain::{EnvironmentId, Event, MessageId, Record, Sequence, SessionId, Stream},
    relay::{NoAnswer, RelayError, Subscription, Viewing},
    security::{Grant, Principal, grant},
    wire::acp::{
        DISCONNECTED, KEEP_ALIVE, flat_error,
        link::Course,
        viewer::{self as wire, with_cursor},
    },
};

/// Prompts that a viewer is known to have written itself: it sees the echo of older ones.
const OWN_MAX: usize = 64;
const NO_AGENT: Goodbye = Goodbye { code: code::AGENT_GONE, reason: "agent not found" };
const FULL: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "too many viewers of this agent" };
const GONE: Goodbye = Goodbye { code: code::GOING_AWAY, reason: "no sign of life" };

/// Answers the upgrade.
pub(super) fn open(house: Arc<House>, call: &Call, ws: warp::ws::Ws, agent: Option<EnvironmentId>) -> Response {
    if *house.relay.closing().borrow() {
        return Failure::from(RelayError::Closing).into_response();
    }
    let (admitted, credential) = match admit(&house, call, Grant::SessionRead) {
        Ok((principal, credential)) => (Ok(principal), Some(credential)),
        Err((goodbye, credential)) => (Err(goodbye), credential),
    };
    // The draft of a durable transport: only for clients that say that they know it.
    let cursors = call.query("resumable").as_deref() == Some("1");
    let upgraded = ws.on_upgrade(move |socket| async move {
        let mut socket = Socket::new(socket);
        let End(goodbye) = match admitted {
            Ok(principal) => match serve(house, principal, agent, cursors, &mut socket).await {
                Ok(()) => End(None),
                Err(end) => end,
            },
            Err(goodbye) => End(Some(goodbye)),
        };
        if let Some(Goodbye { code, reason }) = goodbye {
            socket.close(code, reason).await;
        }
    });
    let mut response = upgraded.into_response();
    if let Some(credential) = credential {
        credential.echo(&mut response);
    }
    response
}

/// The agent, if it is the viewer's to look at and can be reached. Somebody else's agent does not exist.
fn reachable(house: &House, principal: &Principal, agent: Option<EnvironmentId>) -> Option<EnvironmentId> {
    let world = house.relay.world();
    let id = world.agent_id(agent?);
    let found = world.environment(id).filter(|found| found.agent.is_some() && found.online)?;
    grant::may(principal, Grant::SessionRead, Some(found.particulars.owner)).ok()?;
    Some(id)
}

async fn serve(
    house: Arc<House>,
    principal: Principal,
    agent: Option<EnvironmentId>,
    cursors: bool,
    socket: &mut Socket,
) -> Flow {
    let Some(environment) = reachable(&house, &principal, agent) else {
        socket.send(flat_error("Agent not found or offline")).await?;
        return Err(End(Some(NO_AGENT)));
    };
    let place = house.relay.view(environment).ok_or(End(Some(FULL)))?;
    let stream = Stream::Environment(environment);
    let latest = house.relay.stream_tail(stream)?.map(|tail| tail.latest).unwrap_or_default();
    let about = house.relay.subscribe(stream, latest)?;
    let closing = house.relay.closing();
    let viewer = Viewer {
        house,
        principal,
        environment,
        socket,
        view: None,
        about,
        asking: FuturesUnordered::new(),
        own: VecDeque::new(),
        cursors,
        connected: false,
        closing,
        heard_at: Instant::now(),
        _place: place,
    };
    viewer.run().await
}

/// What a viewer asked the agent's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Connect,
    List,
    Open,
    Turn { load: bool },
}

/// Why a wish had no answer: words for its viewer.
pub(super) type Granted = (Wish, Result<Bytes, NoAnswer>);

/// The conversation that a viewer is in.
#[derive(Debug)]
pub(super) struct View {
    pub(super) session: SessionId,
    /// How the agent calls it.
    foreign: String,
    records: Subscription,
    /// Up to here it was told.
    told: Sequence,
    /// Up to here it is told what was; then it hears that it is there, and then what is.
    until: Sequence,
    arriving: Option<Arriving>,
    retold: Retold,
}

/// How a viewer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arriving {
    /// It began the conversation.
    Created,
    /// It wants its history.
    Loaded,
    /// It has its history.
    Resumed,
    /// It has everything up to here.
    From(Sequence),
}

/// See the module.
pub(super) struct Viewer<'s> {
    pub(super) house: Arc<House>,
    pub(super) principal: Principal,
    pub(super) environment: EnvironmentId,
    pub(super) socket: &'s mut Socket,
    pub(super) view: Option<View>,
    /// What happens to the agent.
    about: Subscription,
    pub(super) asking: FuturesUnordered<BoxFuture<'static, Granted>>,
    own: VecDeque<MessageId>,
    /// It asked for cursors.
    cursors: bool,
    /// It was told that the agent can be reached.
    pub(super) connected: bool,
    closing: watch::Receiver<bool>,
    heard_at: Instant,
    _place: Viewing,
}

enum Next {
    Heard(Result<Frame, Gone>),
    Said(Result<Arc<Record>, RelayError>),
    About(Result<Arc<Record>, RelayError>),
    Granted(Granted),
    Tick,
    Closing,
}

/// The next record of the conversation; for ever nothing, where there is none.
async fn next_of(view: &mut Option<View>) -> Result<Arc<Record>, RelayError> {
    match view {
        Some(view) => view.records.next().await,
        None => std::future::pending().await,
    }
}

impl Viewer<'_> {
    async fn run(mut self) -> Flow {
        let keepalive = self.house.settings.ws_keepalive;
        let mut ticks = interval_at(Instant::now() + keepalive, keepalive);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.arrive().await?;
            let next = tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => Next::Closing,
                frame = self.socket.receive() => Next::Heard(frame),
                record = next_of(&mut self.view) => Next::Said(record),
                record = self.about.next() => Next::About(record),
                Some(granted) = self.asking.next() => Next::Granted(granted),
                _ = ticks.tick() => Next::Tick,
            };
            if !may_go_on(&self.house, &self.principal, None) {
                return Err(End(Some(UNAUTHORIZED)));
            }
            match next {
                Next::Closing => return Err(End(Some(SHUTDOWN))),
                Next::Heard(frame) => self.heard(frame?).await?,
                Next::Said(record) => self.told(Some(record?), None).await?,
                Next::About(record) => self.told(None, Some(record?)).await?,
                Next::Granted(granted) => self.granted(granted).await?,
                Next::Tick => self.tick().await?,
            }
        }
    }

    /// Tells what was said and what happened to the agent in the order in which it did, where both are there at once.
    async fn told(&mut self, mut said: Option<Arc<Record>>, mut about: Option<Arc<Record>>) -> Flow {
        loop {
            if said.is_none() {
                said = self.view.as_mut().map_or(Ok(None), |view| view.records.ready())?;
            } else if about.is_none() {
                about = self.about.ready()?;
            }
            match (said.take(), about.take()) {
                (Some(record), None) => return self.tell(&record).await,
                (None, Some(record)) => return self.about(&record).await,
                (None, None) => return Ok(()),
                (Some(first), Some(later)) if first.position < later.position => {
                    self.tell(&first).await?;
                    about = Some(later);
                }
                (Some(later), Some(first)) => {
                    self.about(&first).await?;
                    said = Some(later);
                }
            }
        }
    }

    async fn heard(&mut self, frame: Frame) -> Flow {
        self.heard_at = Instant::now();
        let Some(frame) = text_of(frame)? else { return Ok(()) };
        for line in frame.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.wish(line).await?;
        }
        Ok(())
    }

    pub(super) async fn send(&mut self, frame: String) -> Flow {
        Ok(self.socket.send(frame).await?)
    }

    async fn tick(&mut self) -> Flow {
        // Browsers answer pings by themselves.
        if self.heard_at.elapsed() > self.house.settings.ws_idle + self.house.settings.ws_keepalive {
            return Err(End(Some(GONE)));
        }
        self.send(KEEP_ALIVE.to_owned()).await?;
        Ok(self.socket.ping().await?)
    }

    /// What happens to the agent, as far as its viewers are told: whether it can be reached.
    async fn about(&mut self, record: &Record) -> Flow {
        match &record.event {
            Event::EnvironmentDeregistered { .. } => return Err(End(Some(NO_AGENT))),
            Event::EnvironmentOffline { .. } if self.connected => {
                self.connected = false;
                self.send(DISCONNECTED.to_owned()).await?;
            }
            Event::AgentReported(report) if !report.connected && self.connected => {
                self.connected = false;
                self.send(DISCONNECTED.to_owned()).await?;
            }
            // It is back, and nobody needs to ask: who looks on wants to go on.
            Event::EnvironmentOnline { .. } if !self.connected => {
                if let Some(status) = self.status()? {
                    self.connected = true;
                    self.send(status).await?;
                }
            }
            Event::AgentReported(report) if report.connected && !self.connected && self.view.is_some() => {
                self.connected = true;
                if let Some(status) = show::frame(record) {
                    self.send(status).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the running program said of itself.
    pub(super) fn status(&self) -> Result<Option<String>, RelayError> {
        let status = {
            let world = self.house.relay.world();
            let agent = world.environment(self.environment).and_then(|found| found.agent.as_ref());
            agent.and_then(|agent| agent.program.as_ref()).map(|program| program.status)
        };
        let Some(status) = status else { return Ok(None) };
        let found = record(&self.house, Stream::Environment(self.environment), status)?;
        Ok(found.as_deref().and_then(show::frame))
    }

    /// Goes into a conversation, and out of the one before.
    pub(super) fn enter(&mut self, session: SessionId, arriving: Arriving) -> Result<bool, RelayError> {
        let found = {
            let world = self.house.relay.world();
            world.session(session).and_then(|found| {
                let retold: Vec<_> = found.retold.iter().copied().collect();
                Some((found.bound.clone()?, found.latest, retold))
            })
        };
        let Some((bound, latest, retold)) = found else { return Ok(false) };
        let stream = Stream::Session(session);
        let after = match arriving {
            // Behind the record that says that it began, so that its first words are not missed.
            Arriving::Created => bound.sequence,
            Arriving::Loaded => Sequence::ZERO,
            Arriving::Resumed => latest,
            Arriving::From(cursor) => cursor,
        };
        let (records, told) = match self.house.relay.subscribe(stream, after) {
            Err(RelayError::Gap { .. }) if matches!(arriving, Arriving::From(_)) => return Ok(false),
            // Its beginning was forgotten: what is left is its history.
            Err(RelayError::Gap { earliest, .. }) => {
                let before = Sequence(earliest.0.saturating_sub(1));
                (self.house.relay.subscribe(stream, before)?, before)
            }
            other => (other?, after),
        };
        // Behind a cursor everything is news, also how turns ended.
        let until = if matches!(arriving, Arriving::Created | Arriving::From(_)) { after } else { latest };
        let retold = Retold::new(arriving, retold);
        self.view =
            Some(View { session, foreign: bound.foreign, records, told, until, arriving: Some(arriving), retold });
        Ok(true)
    }

    /// Tells the viewer that it is there, once it was told what was.
    async fn arrive(&mut self) -> Flow {
        let Some(view) = &mut self.view else { return Ok(()) };
        let Some(arriving) = view.arriving else { return Ok(()) };
        if view.told < view.until {
            return Ok(());
        }
        view.arriving = None;
        let (session, foreign, until) = (view.session, view.foreign.clone(), view.until);
        let stream = Stream::Session(session);
        let (bound, described, open, course) = {
            let world = self.house.relay.world();
            let found = world.session(session);
            let open = found.into_iter().flat_map(|found| found.permissions.open()).map(|open| open.sequence);
            let open: Vec<_> = open.filter(|sequence| *sequence <= until).collect();
            let bound = found.and_then(|found| found.bound.as_ref());
            let course = found.map(|found| Course { mode: found.mode.clone(), model: found.model.clone() });
            (bound.map(|bound| bound.sequence), bound.map(|bound| bound.described), open, course.unwrap_or_default())
        };
        let payload = |place: Option<Sequence>| -> Result<Bytes, RelayError> {
            let said = place.map(|place| record(&self.house, stream, place)).transpose()?.flatten();
            Ok(said.map(|said| said.payload.clone()).unwrap_or_default())
        };
        let (payload, before) = (payload(bound)?, payload(described)?);
        if arriving == Arriving::Created {
            self.send(String::from_utf8_lossy(&payload).into_owned()).await?;
        } else {
            let about = wire::described(&payload).or(wire::described(&before));
            for frame in show::welcome(arriving == Arriving::Loaded, &foreign, about, &course) {
                self.send(frame).await?;
            }
        }
        for sequence in open {
            if let Some(question) = record(&self.house, stream, sequence)?.as_deref().and_then(show::frame) {
                self.send(question).await?;
            }
        }
        Ok(())
    }

    async fn tell(&mut self, record: &Record) -> Flow {
        let Some(view) = &mut self.view else { return Ok(()) };
        view.told = record.sequence;
        // The agent gave it another id: its client must know, or it takes what is said for somebody else's.
        let renamed = match &record.event {
            Event::SessionBound { foreign, .. } if *foreign != view.foreign && record.sequence > view.until => {
                view.foreign.clone_from(foreign);
                show::frame(record)
            }
            _ => None,
        };
        let frames = if view.retold.hides(record) {
            Vec::new()
        } else if record.sequence <= view.until {
            show::history(record, &view.foreign)
        } else if let Some(words) = view.retold.says(record) {
            vec![words]
        } else {
            show::live(record, &view.foreign, |message| self.own.contains(&message))
        };
        if matches!(record.event, Event::SessionArchived { .. }) && record.sequence > view.until {
            self.view = None;
        }
        let cursor = self.cursors.then(|| format!("{}.{}", self.house.relay.epoch(), record.sequence));
        for frame in renamed.into_iter().chain(frames) {
            let frame = cursor.as_ref().map_or_else(|| frame.clone(), |cursor| with_cursor(&frame, cursor));
            self.send(frame).await?;
        }
        Ok(())
    }

    /// Notes that this viewer wrote a prompt itself.
    pub(super) fn wrote(&mut self, message: MessageId) {
        if self.own.len() == OWN_MAX {
            self.own.pop_front();
        }
        self.own.push_back(message);
    }

    /// Whether this viewer wrote it.
    pub(super) fn is_own(&self, message: MessageId) -> bool {
        self.own.contains(&message)
    }
}
