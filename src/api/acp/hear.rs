//! What a link says, and what becomes of it: pieces of conversations are recorded, answers find who asked.
//!
//! A frame of a conversation that is none of ours is dropped: a link also tells what somebody does on its own machine,
//! and that is nobody's business here. Nothing is recorded but the frame as it came.

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    ask::Reply,
    door::{End, Flow, TROUBLE},
    line::{Errand, Line},
};
use crate::{
    domain::{
        Command, Outcome, SessionId,
        agent::{self, Steering},
        command::{DeliveryRef, DeliveryStage, DeliveryUpdate, Incoming, Meaning, Said as Heard, WorkerReport},
        event::{Abilities, AgentReported, MessageKind, Offer, Offers, PermissionRequested},
        limits,
    },
    security::dedupe_key,
    wire::acp::{
        DISCONNECTED, error, flat_error,
        link::{Asks, Changed, Course, Kind, SET_MODE, SET_OPTION, Said, Status, ToolCall, Turned, Update, read},
        offers::{Choices, Offered},
    },
};

/// Pieces of one conversation that are recorded by one command.
#[derive(Default)]
struct Batch {
    session: Option<SessionId>,
    messages: Vec<Incoming>,
}

impl Line<'_> {
    /// Takes what the link said, in order.
    pub(super) async fn hear(&mut self, lines: Vec<String>) -> Flow {
        let mut batch = Batch::default();
        for line in &lines {
            match read(line) {
                Ok(Said::Update(update)) => self.update(&mut batch, line, update).await?,
                Ok(Said::Asks(asks)) => self.asks(&mut batch, line, asks).await?,
                Ok(said) => {
                    self.flush(&mut batch).await?;
                    self.said(line, said).await?;
                }
                Err(malformed) => tracing::warn!(environment = %self.environment, %malformed, "an agent's line"),
            }
        }
        self.flush(&mut batch).await
    }

    async fn flush(&mut self, batch: &mut Batch) -> Flow {
        let Batch { session, messages } = std::mem::take(batch);
        if let (Some(session), false) = (session, messages.is_empty()) {
            self.submit(Command::Receive { session, epoch: None, messages }).await?;
        }
        Ok(())
    }

    async fn add(&mut self, batch: &mut Batch, session: SessionId, incoming: Incoming) -> Flow {
        if batch.session != Some(session) || batch.messages.len() >= limits::INGRESS_MESSAGES_MAX {
            self.flush(batch).await?;
            batch.session = Some(session);
        }
        batch.messages.push(incoming);
        Ok(())
    }

    /// Our conversation of this id of the agent.
    fn known(&self, foreign: &str) -> Option<SessionId> {
        let world = self.house.relay.world();
        world.environment(self.environment)?.agent.as_ref()?.bound.get(foreign).copied()
    }

    /// The conversation whose turn is under way.
    pub(super) fn turn(&self) -> Option<SessionId> {
        let world = self.house.relay.world();
        agent::turn(&world, world.environment(self.environment)?).map(|session| session.id)
    }

    async fn update(&mut self, batch: &mut Batch, line: &str, update: Update<'_>) -> Flow {
        let Update { session: foreign, kind, title, course: Course { mode, model }, ended_call } = update;
        let payload = Bytes::copy_from_slice(line.as_bytes());
        let known = self.known(&foreign);
        if let Some(Errand::Turn { session, foreign: loading, load: true }) = self.errand()
            && *loading == foreign
        {
            // What is told again of a conversation of ours is in its stream already.
            if session.is_none() {
                self.retell(payload);
            }
            return Ok(());
        }
        if let Some(Errand::Retell { foreign: telling, .. }) = self.errand()
            && *telling == foreign
        {
            // Only what is behind the last prompt is of interest: a conversation may be longer than what is kept.
            if kind == Kind::User {
                self.flight.retold.clear();
                self.flight.retold_bytes = 0;
            }
            self.retell(payload);
            return Ok(());
        }
        let Some(session) = known else { return Ok(()) };
        if Some(session) == self.turn() {
            self.flight.quiet_since = None;
        }
        let kind = match kind {
            Kind::User => MessageKind::User,
            Kind::Agent | Kind::Tool => MessageKind::Assistant,
            Kind::Plan => MessageKind::Tasks,
            Kind::About => MessageKind::System,
            Kind::Other => MessageKind::Other,
        };
        self.add(batch, session, Incoming { key: None, payload, meaning: Meaning::Said(heard(kind, mode, model)) })
            .await?;
        if let Some(call) = ended_call {
            self.take_back(batch, session, &call).await?;
        }
        if let Some(title) = title.as_deref().and_then(title_line) {
            self.flush(batch).await?;
            self.submit(Command::ArrangeSession { session, title: Some(title), pinned: None }).await?;
        }
        Ok(())
    }

    fn retell(&mut self, payload: Bytes) {
        self.flight.retold_bytes += payload.len();
        if self.flight.retold_bytes <= limits::AGENT_HISTORY_BYTES_MAX {
            self.flight.retold.push(payload);
        }
    }

    /// A call that came to its end has no open question: its link gave it up.
    async fn take_back(&mut self, batch: &mut Batch, session: SessionId, call: &str) -> Flow {
        let asked = {
            let world = self.house.relay.world();
            let open = world.session(session).into_iter().flat_map(|found| found.permissions.open());
            let of_call = open.filter(|open| open.tool_use.as_deref() == Some(call));
            of_call.map(|open| open.request.clone()).collect::<Vec<_>>()
        };
        for request in asked {
            let meaning = Meaning::TakesBack(request);
            self.add(batch, session, Incoming { key: None, payload: Bytes::new(), meaning }).await?;
        }
        Ok(())
    }

    async fn asks(&mut self, batch: &mut Batch, line: &str, asks: Asks<'_>) -> Flow {
        let Asks { request, session: foreign, call } = asks;
        let Some(session) = self.known(&foreign) else { return Ok(()) };
        self.flight.quiet_since = None;
        let key = Some(dedupe_key("permission", request.as_str().as_bytes()));
        let subject = subject(&call);
        let tool = call.kind.as_deref().unwrap_or("other").chars().take(limits::TITLE_BYTES_MAX / 4).collect();
        let tool_use = call.id.map(std::borrow::Cow::into_owned).filter(|id| id.len() <= limits::NAME_BYTES_MAX);
        let meaning = Meaning::Asks(PermissionRequested { session, request, tool, subject, tool_use });
        self.add(batch, session, Incoming { key, payload: Bytes::copy_from_slice(line.as_bytes()), meaning }).await
    }

    async fn said(&mut self, line: &str, said: Said<'_>) -> Flow {
        match said {
            Said::KeepAlive | Said::Update(_) | Said::Asks(_) => Ok(()),
            Said::Pong => self.pong().await,
            Said::Identify { .. } => self.write(flat_error("Already identified")).await,
            Said::Register(_) => self.write(flat_error("Already registered")).await,
            Said::Status(status) => self.status(line, &status).await,
            Said::Turned { how, session, course, offered } => {
                self.turned(line, how, session.as_deref(), course, offers(offered)).await
            }
            Said::Sessions => {
                if let Some(Errand::List) = self.errand() {
                    self.answered(&Reply::Frame(line.to_owned()));
                }
                Ok(())
            }
            Said::Changed { what, course } => self.changed(line, what, course).await,
            Said::PromptComplete => self.end_turn(self.turn(), line.to_owned()).await,
            Said::Error { message } => self.trouble(line, &message).await,
            Said::Other => self.pass(line).await,
        }
    }

    /// A frame of a kind that is not known here: for those who are in the conversation that the link is in.
    async fn pass(&mut self, line: &str) -> Flow {
        let current = {
            let world = self.house.relay.world();
            let found = world.environment(self.environment).and_then(|found| found.agent.as_ref());
            found.and_then(|agent| agent.current)
        };
        let Some(session) = current else { return Ok(()) };
        let payload = Bytes::copy_from_slice(line.as_bytes());
        let meaning = Meaning::Said(heard(MessageKind::Other, None, None));
        let messages = vec![Incoming { key: None, payload, meaning }];
        self.submit(Command::Receive { session, epoch: None, messages }).await.map(drop)
    }

    /// Links answer in order, so the prompt in front of this ping arrived.
    async fn pong(&mut self) -> Flow {
        self.flight.pongs += 1;
        let Some((after, session, message)) = self.flight.receipt else { return Ok(()) };
        if self.flight.pongs < after {
            return Ok(());
        }
        self.flight.receipt = None;
        let update = DeliveryUpdate { item: DeliveryRef::Message(message), stage: DeliveryStage::Processing };
        self.submit(Command::ReportDelivery { session, epoch: None, updates: vec![update] }).await.map(drop)
    }

    async fn status(&mut self, line: &str, status: &Status<'_>) -> Flow {
        let asked = matches!(self.errand(), Some(Errand::Start { .. }));
        // That a program runs is only believed in answer to our own question: a link also tells of programs that it
        // started for somebody on its own machine.
        if status.connected && !asked {
            return Ok(());
        }
        let session = status.capabilities.as_ref().and_then(|capabilities| capabilities.session.as_ref());
        let report = AgentReported {
            environment: self.environment,
            connected: status.connected,
            fresh: status.connected && !status.ran_before(&self.command),
            abilities: Abilities {
                load: status.capabilities.as_ref().is_some_and(|capabilities| capabilities.load == Some(true)),
                resume: session.is_some_and(|session| session.resume.is_some()),
                list: session.is_some_and(|session| session.list.is_some()),
                set_mode: status.knows(SET_MODE),
                set_option: status.knows(SET_OPTION),
            },
        };
        let notice = Bytes::from(error("The agent's program ended, and the turn with it."));
        let payload = Bytes::copy_from_slice(line.as_bytes());
        self.submit(Command::ReportAgent { report, payload, notice }).await?;
        if asked {
            self.answered(&Reply::Frame(line.to_owned()));
        } else {
            self.fail("Not connected to agent").await?;
        }
        Ok(())
    }

    async fn turned(&mut self, line: &str, how: Turned, foreign: Option<&str>, course: Course, offers: Offers) -> Flow {
        let torn = matches!(self.errand(), Some(Errand::Retell { .. }));
        let (session, foreign) = match (self.errand(), how, foreign) {
            (Some(Errand::Retell { session, foreign }), Turned::Loaded, _) => (*session, foreign.clone()),
            (Some(Errand::Open { session }), Turned::Created, Some(foreign)) => (*session, foreign.to_owned()),
            (Some(Errand::Turn { session, foreign, .. }), Turned::Loaded | Turned::Resumed, _) => {
                let session = match session {
                    Some(session) => *session,
                    None => SessionId::from_uuid(self.house.fresh().map_err(|_| End(Some(TROUBLE)))?),
                };
                (session, foreign.clone())
            }
            // Somebody on the link's own machine.
            _ => return Ok(()),
        };
        if foreign.len() > limits::AGENT_SESSION_ID_BYTES_MAX {
            return self.fail("the agent's id of this session is too long").await;
        }
        let payload = Bytes::copy_from_slice(line.as_bytes());
        let command = Command::BindSession { environment: self.environment, session, foreign, offers, payload };
        let Some(Outcome::Agent { session, .. }) = self.submit(command).await? else {
            return self.fail("this agent has too many sessions: archive some").await;
        };
        self.follow()?;
        let report = WorkerReport { mode: course.mode, model: course.model, ..WorkerReport::default() };
        self.submit(Command::ReportWorker { session, epoch: None, report }).await?;
        let whole = std::mem::take(&mut self.flight.retold_bytes) <= limits::AGENT_HISTORY_BYTES_MAX;
        let retold = std::mem::take(&mut self.flight.retold);
        if torn {
            self.flight.asked = None;
            return self.retold(session, &retold, whole).await;
        }
        for pieces in retold.chunks(limits::INGRESS_MESSAGES_MAX) {
            let piece = |payload: &Bytes| Incoming {
                key: None,
                payload: payload.clone(),
                meaning: Meaning::Said(heard(MessageKind::Other, None, None)),
            };
            let messages = pieces.iter().map(piece).collect();
            self.submit(Command::Receive { session, epoch: None, messages }).await?;
        }
        if !whole {
            self.notice(
                session,
                "This conversation is longer than what is kept of it here: its later part is missing.",
            )
            .await?;
        }
        self.answered(&Reply::Session(session));
        Ok(())
    }

    /// Somebody on the link's own machine changes things as well: only what was asked for is an answer.
    async fn changed(&mut self, line: &str, what: Changed, course: Course) -> Flow {
        let Some(Errand::Control { session, request, by, wanted }) = self.errand().cloned() else { return Ok(()) };
        let (fits, named) = match (&by, what) {
            (Steering::Model, Changed::Model) => (true, course.model.as_ref()),
            (Steering::Mode, Changed::Mode) => (true, course.mode.as_ref()),
            (Steering::Option(_), Changed::Option) => (true, None),
            _ => (false, None),
        };
        if !fits {
            return Ok(());
        }
        self.flight.asked = None;
        // A link that does not say what is in force now means what it was told.
        let named = named.cloned().unwrap_or(wanted);
        let course = match by {
            Steering::Model => Course { mode: None, model: Some(named) },
            Steering::Mode => Course { mode: Some(named), model: None },
            Steering::Option(_) => course,
        };
        self.answer_control(session, request, true, course, Bytes::copy_from_slice(line.as_bytes())).await
    }

    async fn control_failed(&mut self, line: &str) -> Flow {
        let Some(Errand::Control { session, request, .. }) = self.errand().cloned() else { return Ok(()) };
        self.flight.asked = None;
        let payload = Bytes::copy_from_slice(line.as_bytes());
        self.answer_control(session, request, false, Course::default(), payload).await
    }

    /// Errors do not say what went wrong with what. A turn's begin with words of their own; all others are about the
    /// one thing that was asked.
    async fn trouble(&mut self, line: &str, message: &str) -> Flow {
        let of_turn = message.starts_with("Prompt failed") || message == "No active session";
        let of_control = matches!(self.errand(), Some(Errand::Control { .. }));
        if of_turn && !(of_control && message == "No active session") {
            return self.end_turn(self.turn(), line.to_owned()).await;
        }
        if of_control {
            return self.control_failed(line).await;
        }
        if message == "Not connected to agent" {
            self.gone().await?;
        }
        self.fail(message).await
    }

    /// The program is not there although it was believed to be.
    async fn gone(&mut self) -> Flow {
        let report = AgentReported {
            environment: self.environment,
            connected: false,
            fresh: false,
            abilities: Abilities::default(),
        };
        let payload = Bytes::from_static(DISCONNECTED.as_bytes());
        let notice = Bytes::from(error("The agent's program ended, and the turn with it."));
        self.submit(Command::ReportAgent { report, payload, notice }).await.map(drop)
    }

    pub(super) async fn end_turn(&mut self, session: Option<SessionId>, payload: String) -> Flow {
        self.flight.stopped_at = None;
        self.flight.quiet_since = None;
        self.flight.receipt = None;
        let Some(session) = session else { return Ok(()) };
        self.submit(Command::EndTurn { session, payload: payload.into() }).await.map(drop)
    }

    /// What the link was asked for.
    pub(super) fn errand(&self) -> Option<&Errand> {
        self.flight.asked.as_ref().map(|asked| &asked.errand)
    }

    /// What was asked is answered.
    fn answered(&mut self, reply: &Reply) {
        if let Some(asked) = self.flight.asked.take() {
            asked.answer(reply);
        }
    }

    /// Marks that a turn was told to stop.
    pub(super) fn stopped(&mut self) {
        self.flight.stopped_at.get_or_insert_with(Instant::now);
    }
}

/// What is kept of what an agent offers. A list that is longer is taken for one that was never told: its agent says no
/// to what it does not have.
fn offers(offered: Offered) -> Offers {
    let kept = |choices: Choices| {
        let fits = choices.ids.len() <= limits::AGENT_OFFERS_MAX;
        let named = choices.ids.iter().chain(&choices.option).all(|id| id.len() <= limits::NAME_BYTES_MAX);
        (fits && named).then_some(Offer { ids: choices.ids, option: choices.option })
    };
    Offers { modes: offered.modes.and_then(kept), models: offered.models.and_then(kept) }
}

fn heard(kind: MessageKind, mode: Option<String>, model: Option<String>) -> Heard {
    Heard { message: None, kind, ephemeral: false, status: None, mode, model, tool_results: Vec::new() }
}

/// What rules compare. What is too long to be kept is compared with nothing: its call's id comes once.
fn subject(call: &ToolCall<'_>) -> Option<String> {
    let subject = call.subject()?;
    if subject.len() <= limits::SUBJECT_BYTES_MAX { Some(subject) } else { call.id.as_deref().map(str::to_owned) }
}

/// A title for a list: one line, cut to its bound; nothing if nothing is left.
fn title_line(text: &str) -> Option<String> {
    let mut line = text.replace(char::is_control, " ").trim().to_owned();
    while line.len() > limits::TITLE_BYTES_MAX {
        line.pop();
    }
    (!line.is_empty()).then_some(line)
}
