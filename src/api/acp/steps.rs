//! What a link is told: the steps that the world says are next, and the questions of viewers between them.
//!
//! A change of course and a prompt are recorded before they are written, because a link would carry them out again; an
//! answer behind it, because a link that has it already does not mind.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::{sync::oneshot, time::Instant};

use super::{
    ask::{Ask, Reply},
    door::{End, Flow, TROUBLE},
    line::{Asked, Errand, Line},
    outgoing,
};
use crate::{
    domain::{
        Command, MessageId, Outcome, RequestId, Sequence, SessionId, Stream,
        agent::{Steering, Step, next_step, steering},
        command::{DeliveryRef, DeliveryStage, DeliveryUpdate, Incoming, Meaning, Said},
        event::{Control, Event, MessageKind},
        outbox::Item,
        session::Session,
    },
    wire::acp::{
        error,
        link::{Course, Target, Told},
        viewer::empty,
    },
};

/// What a link can be told when it begins a conversation by itself.
#[derive(Serialize)]
struct Beginning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    #[serde(rename = "permissionMode", skip_serializing_if = "Option::is_none")]
    mode: Option<&'a str>,
}

impl Line<'_> {
    /// Does everything that can be done now.
    pub(super) async fn work(&mut self) -> Flow {
        loop {
            if self.flight.asked.is_none()
                && let Some((ask, reply)) = self.next_ask()
            {
                self.ask(ask, reply).await?;
                continue;
            }
            let step = {
                let world = self.house.relay.world();
                next_step(&world, self.environment, self.flight.asked.is_some())
            };
            match step {
                None => return Ok(()),
                Some(step) => self.step(step).await?,
            }
        }
    }

    /// The first question that can be asked now. Nobody turns the link away from a turn.
    fn next_ask(&mut self) -> Option<(Ask, oneshot::Sender<Bytes>)> {
        let busy = self.turn().is_some();
        let at = self.flight.queue.iter().position(|(ask, _)| !(busy && ask.turns()))?;
        self.flight.queue.remove(at)
    }

    async fn ask(&mut self, ask: Ask, reply: oneshot::Sender<Bytes>) -> Flow {
        if reply.is_closed() {
            return Ok(());
        }
        match ask {
            Ask::Alive => self.ping().await,
            Ask::Start => self.send_out(Errand::Start { session: None }, Some(reply), &Told::Connect).await,
            Ask::List(payload) => self.send_out(Errand::List, Some(reply), &Told::ListSessions(&payload)).await,
            Ask::Open(payload) => {
                let session = match self.vacant() {
                    Some(session) => session,
                    None => SessionId::from_uuid(self.house.fresh().map_err(|_| End(Some(TROUBLE)))?),
                };
                self.send_out(Errand::Open { session }, Some(reply), &Told::NewSession(&payload)).await
            }
            Ask::Turn { foreign, load, payload } => {
                let session = {
                    let world = self.house.relay.world();
                    let found = world.environment(self.environment).and_then(|found| found.agent.as_ref());
                    found.and_then(|agent| agent.bound.get(&foreign).copied())
                };
                let told = if load { Told::LoadSession(&payload) } else { Told::ResumeSession(&payload) };
                self.send_out(Errand::Turn { session, foreign, load }, Some(reply), &told).await
            }
        }
    }

    /// A conversation that the agent does not know and nobody has said anything in: the one that its registration was
    /// told of.
    fn vacant(&self) -> Option<SessionId> {
        let world = self.house.relay.world();
        let agent = world.environment(self.environment)?.agent.as_ref()?;
        let home = world.session(agent.home?)?;
        let vacant = home.bound.is_none() && home.outbox.is_empty() && home.archived_at.is_none();
        vacant.then_some(home.id)
    }

    async fn send_out(&mut self, errand: Errand, reply: Option<oneshot::Sender<Bytes>>, told: &Told<'_>) -> Flow {
        if matches!(errand, Errand::Open { .. } | Errand::Turn { .. } | Errand::Retell { .. }) {
            self.flight.retold.clear();
            self.flight.retold_bytes = 0;
            self.submit(Command::SwitchAgent { environment: self.environment }).await?;
        }
        self.flight.asked = Some(Asked { errand, since: Instant::now(), reply });
        self.say(told).await
    }

    async fn step(&mut self, step: Step) -> Flow {
        match step {
            Step::Answer { session, sequence, moot } => self.give_answer(session, sequence, moot).await,
            Step::Stop { session, request, sequence, running } => self.stop(session, request, sequence, running).await,
            Step::Control { session, request, sequence } => self.control(session, request, sequence).await,
            Step::Prompt { session, sequence, message } => self.prompt(session, sequence, message).await,
            Step::Start { session } => {
                self.send_out(Errand::Start { session: Some(session) }, None, &Told::Connect).await
            }
            Step::Open { session } => self.begin(session).await,
            Step::Return { session, load } => self.return_to(session, load).await,
            Step::Retell { session, can: false } => self.settle(Command::RetellTurn { session, pieces: vec![] }).await,
            Step::Retell { session, can: true } => {
                let foreign = self.foreign(session);
                let payload = raw(&Target { session: &foreign });
                self.send_out(Errand::Retell { session, foreign }, None, &Told::LoadSession(&payload)).await
            }
            Step::Unreachable { session } => {
                let words = "This agent cannot come back to an earlier conversation. What was said to it here was not \
                             heard: begin a new one.";
                self.give_up(session, words).await
            }
        }
    }

    async fn begin(&mut self, session: SessionId) -> Flow {
        let (cwd, mode) = {
            let world = self.house.relay.world();
            let found = world.session(session);
            found.map(|found| (found.requested_directory.clone(), beginning_mode(found))).unwrap_or_default()
        };
        let payload = raw(&Beginning { cwd: cwd.as_deref(), mode: mode.as_deref() });
        self.send_out(Errand::Open { session }, None, &Told::NewSession(&payload)).await
    }

    async fn return_to(&mut self, session: SessionId, load: bool) -> Flow {
        let foreign = self.foreign(session);
        let payload = raw(&Target { session: &foreign });
        let told = if load { Told::LoadSession(&payload) } else { Told::ResumeSession(&payload) };
        self.send_out(Errand::Turn { session: Some(session), foreign, load }, None, &told).await
    }

    /// Another way back to a conversation, where one was refused: loading it, or, where nothing was ever said in it,
    /// beginning it anew. Some agents keep nothing of a conversation before its first prompt.
    async fn detour(&mut self, session: SessionId, loaded: bool) -> Option<Flow> {
        let (unspoken, can_load) = {
            let world = self.house.relay.world();
            let found = world.environment(self.environment).and_then(|found| found.agent.as_ref());
            let can_load = found.and_then(|agent| agent.program.as_ref()).is_some_and(|runs| runs.abilities.load);
            let unspoken = world.session(session).is_some_and(|found| found.handed_over == Sequence::ZERO);
            (unspoken, can_load)
        };
        if unspoken {
            return Some(self.begin(session).await);
        }
        if can_load && !loaded { Some(self.return_to(session, true).await) } else { None }
    }

    /// The agent's own id of a conversation.
    fn foreign(&self, session: SessionId) -> String {
        let world = self.house.relay.world();
        let bound = world.session(session).and_then(|found| found.bound.as_ref());
        bound.map(|bound| bound.foreign.clone()).unwrap_or_default()
    }

    async fn give_answer(&mut self, session: SessionId, sequence: Sequence, moot: bool) -> Flow {
        if let Some((request, outcome)) = outgoing::answer(&self.house, session, sequence, moot)? {
            self.say(&Told::PermissionResponse { request: &request, outcome }).await?;
        }
        let update = DeliveryUpdate { item: DeliveryRef::Sequence(sequence), stage: DeliveryStage::Processed };
        let updates = vec![update];
        self.settle(Command::ReportDelivery { session, epoch: None, updates }).await
    }

    /// A step that the world goes on showing would be done for ever.
    async fn settle(&mut self, command: Command) -> Flow {
        self.submit(command).await?.map(drop).ok_or(End(Some(TROUBLE)))
    }

    async fn stop(&mut self, session: SessionId, request: RequestId, sequence: Sequence, running: bool) -> Flow {
        self.settle(Command::MarkDelivered { session, items: vec![sequence] }).await?;
        if running {
            self.stopped();
            self.say(&Told::Cancel).await?;
        }
        self.answer_control(session, request, running, Course::default(), Bytes::new()).await
    }

    async fn control(&mut self, session: SessionId, request: RequestId, sequence: Sequence) -> Flow {
        self.settle(Command::MarkDelivered { session, items: vec![sequence] }).await?;
        let (control, steering, stands) = {
            let world = self.house.relay.world();
            let Some(found) = world.session(session) else { return Ok(()) };
            let Some(Item::Control { control, .. }) = found.outbox.get(sequence) else { return Ok(()) };
            let agent = world.environment(self.environment).and_then(|found| found.agent.as_ref());
            let abilities = agent.and_then(|agent| agent.program.as_ref()).map(|program| program.abilities);
            // It may have begun in the mode that was asked for.
            let stands = matches!(control, Control::SetPermissionMode { mode } if found.mode.as_ref() == Some(mode));
            (control.clone(), steering(abilities.unwrap_or_default(), found, control), stands)
        };
        if stands {
            return self.answer_control(session, request, true, Course::default(), Bytes::new()).await;
        }
        let by = match steering {
            Ok(by) => by,
            Err(refusal) => {
                let words = error(&refusal.to_string()).into();
                return self.answer_control(session, request, false, Course::default(), words).await;
            }
        };
        let (Control::SetModel { model: wanted } | Control::SetPermissionMode { mode: wanted }) = control else {
            return Ok(());
        };
        let errand = Errand::Control { session, request, by: by.clone(), wanted: wanted.clone() };
        let told = match &by {
            Steering::Model => Told::SetSessionModel { model: &wanted },
            Steering::Mode => Told::SetSessionMode { mode: &wanted },
            Steering::Option(option) => Told::SetConfigOption { option, value: &wanted },
        };
        self.send_out(errand, None, &told).await
    }

    pub(super) async fn answer_control(
        &mut self,
        session: SessionId,
        request: RequestId,
        ok: bool,
        course: Course,
        payload: Bytes,
    ) -> Flow {
        let meaning = Meaning::Answers { request, ok, mode: course.mode, model: course.model };
        let messages = vec![Incoming { key: None, payload, meaning }];
        self.submit(Command::Receive { session, epoch: None, messages }).await.map(drop)
    }

    async fn prompt(&mut self, session: SessionId, sequence: Sequence, message: MessageId) -> Flow {
        let found = outgoing::record(&self.house, Stream::Session(session), sequence)?;
        let Some(blocks) = found.as_ref().and_then(|found| outgoing::blocks(&found.payload)) else {
            return self.settle(Command::CancelMessage { session, message }).await;
        };
        let content = raw(&blocks);
        let begun = Command::BeginTurn { environment: self.environment, session, prompt: sequence };
        match self.submit(begun).await? {
            Some(Outcome::Done) => {}
            // It was taken back, or put away, while this looked at it: the world says what is next.
            _ => return Ok(()),
        }
        self.say(&Told::Prompt { content: &content }).await?;
        self.ping().await?;
        self.flight.receipt = Some((self.flight.pings, session, message));
        Ok(())
    }

    /// What was asked of the link failed.
    pub(super) async fn fail(&mut self, words: &str) -> Flow {
        let Some(asked) = self.flight.asked.take() else { return Ok(()) };
        let errand = asked.errand.clone();
        let asked_by_viewer = asked.reply.is_some();
        asked.answer(&Reply::Failed(words.to_owned()));
        match errand {
            Errand::Control { session, request, .. } => {
                self.answer_control(session, request, false, Course::default(), error(words).into()).await
            }
            Errand::Retell { session, .. } => self.settle(Command::RetellTurn { session, pieces: vec![] }).await,
            Errand::Turn { session: Some(session), load, .. } if !asked_by_viewer => {
                match self.detour(session, load).await {
                    Some(flow) => flow,
                    None => self.give_up(session, words).await,
                }
            }
            Errand::Start { session: Some(session) } | Errand::Open { session } if !asked_by_viewer => {
                self.give_up(session, words).await
            }
            _ => Ok(()),
        }
    }

    /// What waits in this conversation will not be heard: said there, so that nobody waits for an answer.
    async fn give_up(&mut self, session: SessionId, words: &str) -> Flow {
        let waiting: Vec<_> = {
            let world = self.house.relay.world();
            let items = world.session(session).into_iter().flat_map(|found| found.outbox.items());
            items.filter(|(_, item)| !item.is_delivered()).map(|(sequence, item)| (sequence, item.clone())).collect()
        };
        self.notice(session, words).await?;
        for (sequence, item) in waiting {
            match item {
                Item::Prompt { message, .. } => self.settle(Command::CancelMessage { session, message }).await?,
                Item::Control { request, .. } => {
                    self.settle(Command::MarkDelivered { session, items: vec![sequence] }).await?;
                    let words = error(words).into();
                    self.answer_control(session, request, false, Course::default(), words).await?;
                }
                Item::Answer { .. } => {}
            }
        }
        Ok(())
    }

    /// Words of ours in a conversation, in the shape of the link's errors, which every viewer shows.
    pub(super) async fn notice(&mut self, session: SessionId, words: &str) -> Flow {
        let said = Said {
            message: None,
            kind: MessageKind::System,
            ephemeral: false,
            status: None,
            mode: None,
            model: None,
            tool_results: Vec::new(),
        };
        let messages = vec![Incoming { key: None, payload: error(words).into(), meaning: Meaning::Said(said) }];
        self.submit(Command::Receive { session, epoch: None, messages }).await.map(drop)
    }
}

/// The mode that a conversation is to begin in: what was asked for last, before it began.
fn beginning_mode(session: &Session) -> Option<String> {
    let asked = session.outbox.items().filter_map(|(_, item)| match item {
        Item::Control { control: Control::SetPermissionMode { mode }, delivered: false, .. } => Some(mode.clone()),
        _ => None,
    });
    asked.last().or_else(|| session.requested_mode.clone())
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| empty())
}

/// Whether a record may change what is next on a line. The others only pass by.
pub(super) const fn matters(event: &Event) -> bool {
    !matches!(event, Event::MessageReceived { .. } | Event::StatusChanged { .. })
}
