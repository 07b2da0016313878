//! What a viewer says: commands about the conversation that it is in, and questions to whoever holds the agent's line.
//!
//! Each is checked against what the viewer's key may do with what the agent's owner has. A viewer that may not, or
//! whose words cannot be taken, is told so; no other viewer hears of it.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::timeout;
use uuid::Builder;

use super::{
    ask::{Ask, Reply},
    door::Flow,
    outgoing::{Chosen, Content, record},
    viewer::{Arriving, Granted, Viewer, Wish},
};
use crate::{
    api::common::identity::message_key,
    domain::{
        Command, MessageId, RequestId, Sequence, SessionId, Stream, WorkId, agent,
        command::{Answer, Prompt},
        event::{Control, Verdict},
        limits,
        outbox::Item,
    },
    relay::{NoAnswer, RelayError},
    security::{Grant, fingerprint, grant},
    wire::acp::{
        DISCONNECTED, PONG,
        answer::{Outcome, choices},
        error,
        viewer::{Refused, Said, Target, UNKNOWN_CURSOR, mode_of, read},
    },
};

/// What a viewer without a conversation hears.
const NO_SESSION: &str = "No active session";
const NO_AGENT: &str = "Agent connection lost";

/// Why a wish cannot be granted: words for its viewer.
type Wished = Result<(), String>;

impl Viewer<'_> {
    /// Takes one line.
    pub(super) async fn wish(&mut self, line: &str) -> Flow {
        let wished = match read(line) {
            Ok(Said::KeepAlive) | Err(Refused::NotJson) => Ok(()),
            Ok(Said::Ping) => return self.send(PONG.to_owned()).await,
            Ok(Said::Connect) => self.connect().await?,
            Ok(Said::Disconnect) => {
                // The agent is not only this viewer's.
                self.view = None;
                self.connected = false;
                return self.send(DISCONNECTED.to_owned()).await;
            }
            Ok(Said::ListSessions(payload)) => self.ask(Wish::List, Ask::List(payload.into_owned())),
            Ok(Said::NewSession(payload)) => {
                self.may_begin(&payload).and_then(|()| self.ask(Wish::Open, Ask::Open(payload.into_owned())))
            }
            Ok(Said::LoadSession(target)) => self.turn(&target, true)?,
            Ok(Said::ResumeSession(target)) => self.turn(&target, false)?,
            Ok(Said::Resume { session, cursor }) => return self.resume(&session, &cursor).await,
            Ok(Said::Prompt { content }) => self.prompt(content).await,
            Ok(Said::Cancel) => self.cancel().await,
            Ok(Said::PermissionResponse { request, outcome }) => self.decide(request, outcome).await,
            Ok(Said::SetSessionModel { model }) => self.set_model(model).await,
            Ok(Said::SetSessionMode { mode }) => self.set_mode(mode).await,
            Err(refused) => Err(refused.to_string()),
        };
        match wished {
            Ok(()) => Ok(()),
            Err(words) => self.send(error(&words)).await,
        }
    }

    /// Whether the viewer's key may do this with what the agent's owner has.
    fn may(&self, grant: Grant) -> Wished {
        let owner = {
            let world = self.house.relay.world();
            world.environment(self.environment).map(|found| found.particulars.owner)
        };
        grant::may(&self.principal, grant, owner).map_err(|denied| denied.to_string())
    }

    /// A mode that it begins in is a switch of the mode, and one in which nothing is asked any more is every question
    /// of it answered: a key that may answer questions one by one is not meant to.
    fn may_begin(&self, payload: &RawValue) -> Wished {
        self.may(Grant::SessionWrite)?;
        let Some(mode) = mode_of(payload) else { return Ok(()) };
        self.may(Grant::ControlMode)?;
        if grant::asks_nothing(&mode) { self.may(Grant::AdminAll) } else { Ok(()) }
    }

    async fn submit(&mut self, command: Command) -> Wished {
        let submitted = self.house.relay.submit(self.principal.actor(), command).await;
        submitted.map(drop).map_err(|error| match error {
            error @ (RelayError::Journal(_) | RelayError::Gap { .. }) => {
                tracing::error!(%error, "the journal could not be read");
                "the server could not read its journal".to_owned()
            }
            error => error.to_string(),
        })
    }

    /// The program that runs is known from what it said; one that does not is started.
    async fn connect(&mut self) -> Flow<Wished> {
        if self.house.relay.is_linked(self.environment)
            && let Some(status) = self.status()?
        {
            self.connected = true;
            return Ok(Ok(self.send(status).await?));
        }
        Ok(self.ask(Wish::Connect, Ask::Start))
    }

    /// One frame may hold a hundred thousand questions: no more of them wait here than would on the agent's line.
    fn ask(&mut self, wish: Wish, ask: Ask) -> Wished {
        if self.asking.len() >= limits::AGENT_ASKS_MAX {
            return Err(NoAnswer::Busy.to_string());
        }
        let (relay, environment) = (self.house.relay.clone(), self.environment);
        self.asking.push(Box::pin(async move {
            let words = ask.words();
            let answer = relay.ask(environment, words);
            let waited = timeout(Duration::from_millis(limits::AGENT_ASK_MS), answer).await;
            (wish, waited.unwrap_or(Err(NoAnswer::Cut)))
        }));
        Ok(())
    }

    /// An answer of the agent's line.
    pub(super) async fn granted(&mut self, (wish, answer): Granted) -> Flow {
        let reply = match answer {
            Ok(words) => Reply::of(&words),
            Err(NoAnswer::Offline) => Some(Reply::Failed(NO_AGENT.to_owned())),
            Err(none) => Some(Reply::Failed(none.to_string())),
        };
        match (wish, reply) {
            (Wish::Connect, Some(Reply::Frame(frame))) => {
                self.connected = true;
                self.send(frame).await
            }
            (_, Some(Reply::Frame(frame))) => self.send(frame).await,
            (Wish::Open, Some(Reply::Session(session))) => self.go_into(session, Arriving::Created).await,
            (Wish::Turn { load: true }, Some(Reply::Session(session))) => self.go_into(session, Arriving::Loaded).await,
            (_, Some(Reply::Session(session))) => self.go_into(session, Arriving::Resumed).await,
            (_, Some(Reply::Failed(words))) => self.send(error(&words)).await,
            (_, None) => Ok(()),
        }
    }

    async fn go_into(&mut self, session: SessionId, arriving: Arriving) -> Flow {
        if self.enter(session, arriving)? { Ok(()) } else { self.send(error(NO_SESSION)).await }
    }

    /// A conversation that is known here is told from its own records, whether the agent can be reached or not; it is
    /// turned to when somebody speaks in it. Only one that is not known is asked for.
    fn turn(&mut self, target: &Target<'_>, load: bool) -> Flow<Wished> {
        let known = {
            let world = self.house.relay.world();
            let agent = world.environment(self.environment).and_then(|found| found.agent.as_ref());
            agent.and_then(|agent| agent.bound.get(target.session.as_ref()).copied())
        };
        if let Some(session) = known {
            let arriving = if load { Arriving::Loaded } else { Arriving::Resumed };
            return Ok(if self.enter(session, arriving)? { Ok(()) } else { Err(NO_SESSION.to_owned()) });
        }
        Ok(self.may(Grant::SessionWrite).and_then(|()| {
            let foreign = target.session.clone().into_owned();
            self.ask(Wish::Turn { load }, Ask::Turn { foreign, load, payload: target.payload.to_owned() })
        }))
    }

    /// Never silently live: a cursor of another numbering, or of a past that was forgotten, is refused.
    async fn resume(&mut self, foreign: &str, cursor: &str) -> Flow {
        let known = {
            let world = self.house.relay.world();
            let agent = world.environment(self.environment).and_then(|found| found.agent.as_ref());
            agent.and_then(|agent| agent.bound.get(foreign).copied())
        };
        let epoch = self.house.relay.epoch().to_string();
        let sequence = cursor.split_once('.').filter(|(given, _)| *given == epoch).and_then(|(_, at)| at.parse().ok());
        if let (Some(session), Some(sequence)) = (known, sequence)
            && self.enter(session, Arriving::From(Sequence(sequence)))?
        {
            return Ok(());
        }
        self.send(UNKNOWN_CURSOR.to_owned()).await
    }

    fn session(&self) -> Result<SessionId, String> {
        self.view.as_ref().map(|view| view.session).ok_or_else(|| NO_SESSION.to_owned())
    }

    async fn prompt(&mut self, content: &RawValue) -> Wished {
        let session = self.session()?;
        self.may(Grant::SessionWrite)?;
        let throttle = self.house.throttle.check_messages(self.principal.throttle_key(), 1);
        throttle.map_err(|wait| wait.to_string())?;
        let fresh = self.house.fresh().map_err(|error| error.to_string())?;
        let message = MessageId::from_uuid(Builder::from_random_bytes(fresh.into_bytes()).into_uuid());
        let payload = serde_json::to_vec(&Content::new(content)).map_err(|error| error.to_string())?;
        let fingerprint = fingerprint([payload.as_slice()]);
        let prompt = Prompt { message, key: message_key(message), fingerprint, payload: payload.into() };
        self.wrote(message);
        self.submit(Command::PostMessage { session, prompt, work: WorkId::from_uuid(fresh) }).await
    }

    /// Takes back what this viewer said and the agent has not heard, and stops the turn.
    async fn cancel(&mut self) -> Wished {
        let Ok(session) = self.session() else { return Ok(()) };
        self.may(Grant::ControlInterrupt)?;
        let (waiting, running) = {
            let world = self.house.relay.world();
            let Some(found) = world.session(session) else { return Ok(()) };
            let waiting = found.outbox.items().filter_map(|(_, item)| match item {
                Item::Prompt { message, delivered: false, .. } if self.is_own(*message) => Some(*message),
                _ => None,
            });
            (waiting.collect::<Vec<_>>(), agent::in_turn(found))
        };
        for message in waiting {
            // It may have been handed over meanwhile; then it is the turn that is stopped.
            let _handed_over = self.submit(Command::CancelMessage { session, message }).await;
        }
        if !running {
            return Ok(());
        }
        let request = self.request_id()?;
        self.submit(Command::RequestControl { session, request, control: Control::Interrupt }).await
    }

    fn request_id(&self) -> Result<RequestId, String> {
        let fresh = self.house.fresh().map_err(|error| error.to_string())?;
        fresh.to_string().parse().map_err(|error: crate::domain::InvalidId| error.to_string())
    }

    async fn set_model(&mut self, model: String) -> Wished {
        let session = self.session()?;
        self.may(Grant::ControlModel)?;
        if model.is_empty() || model.len() > limits::NAME_BYTES_MAX {
            return Err(format!("Failed to set model: its id must have 1 to {} bytes", limits::NAME_BYTES_MAX));
        }
        let request = self.request_id()?;
        self.submit(Command::RequestControl { session, request, control: Control::SetModel { model } }).await
    }

    async fn set_mode(&mut self, mode: String) -> Wished {
        let session = self.session()?;
        self.may(Grant::ControlMode)?;
        if grant::asks_nothing(&mode) {
            self.may(Grant::AdminAll)?;
        }
        if mode.is_empty() || mode.len() > limits::NAME_BYTES_MAX {
            return Err(format!("Failed to set mode: its id must have 1 to {} bytes", limits::NAME_BYTES_MAX));
        }
        let request = self.request_id()?;
        self.submit(Command::RequestControl { session, request, control: Control::SetPermissionMode { mode } }).await
    }

    /// Only a question of the conversation that the viewer is in, and only with what the agent offers.
    async fn decide(&mut self, request: RequestId, outcome: Outcome<'_>) -> Wished {
        let session = self.session()?;
        self.may(Grant::PermissionDecide)?;
        let asked = {
            let world = self.house.relay.world();
            let found = world.session(session).map(|found| &found.permissions);
            let asked = found.and_then(|found| {
                let open = found.get_open(&request).map(|open| open.sequence);
                open.or_else(|| found.get_settled(&request).map(|settled| settled.asked))
            });
            asked.ok_or_else(|| format!("There is no permission request {request} in this conversation."))?
        };
        let question = record(&self.house, Stream::Session(session), asked).map_err(|error| error.to_string())?;
        let offered = question.as_ref().map(|question| choices(&question.payload)).unwrap_or_default();
        let verdict = match &outcome {
            Outcome::Cancelled => Verdict::Deny,
            Outcome::Selected { option } => {
                let chosen = offered.iter().find(|choice| choice.id == *option);
                let chosen = chosen.ok_or_else(|| format!("The agent did not offer the option {option:?}."))?;
                if chosen.kind.allows() { Verdict::Allow } else { Verdict::Deny }
            }
        };
        let payload = serde_json::to_vec(&Chosen { acp: outcome }).map_err(|error| error.to_string())?;
        let fingerprint = fingerprint([payload.as_slice()]);
        let payload = payload.into();
        let answer = Answer { asked: Some(asked), verdict, message: None, fingerprint, payload, remember: None };
        self.submit(Command::DecidePermission { session, request, answer }).await
    }
}
