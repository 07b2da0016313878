//! Questions of an agent: pending until each has exactly one decision.
//!
//! The first commit wins. The same answer again gets the same result; another answer gets the winner. A question
//! survives restarts, can be decided while its worker is away, and is cancelled when its worker takes it back.

use std::collections::{BTreeMap, VecDeque};

use super::{
    command::{Answer, Outcome, Refusal},
    decide::Decided,
    envelope::{Actor, Draft, Record, Sequence, Timestamp},
    event::{Event, Fingerprint, PermissionDecided, PermissionRequested, Rule, Status, Verdict},
    id::{RequestId, SessionId},
    limits,
    session::{self, Session},
    world::World,
};

/// A question that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub request: RequestId,
    pub tool: String,
    pub subject: Option<String>,
    pub tool_use: Option<String>,
    pub asked_at: Timestamp,
    /// Where the question, with its payload, stands in the session's stream.
    pub sequence: Sequence,
}

/// A question that is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub request: RequestId,
    /// Where the question stands.
    pub asked: Sequence,
    pub tool_use: Option<String>,
    pub how: Settlement,
}

/// How a question was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    Decided {
        verdict: Verdict,
        by: Actor,
        at: Timestamp,
        message: Option<String>,
        fingerprint: Fingerprint,
        /// Where the decision stands.
        sequence: Sequence,
    },
    Cancelled,
}

/// The questions of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    open: BTreeMap<RequestId, Open>,
    settled: VecDeque<Settled>,
}

impl Permissions {
    /// Questions that wait, in id order.
    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.open.values()
    }

    /// A question that waits.
    pub fn get_open(&self, request: &RequestId) -> Option<&Open> {
        self.open.get(request)
    }

    /// A question that was settled lately.
    pub fn get_settled(&self, request: &RequestId) -> Option<&Settled> {
        self.settled.iter().rev().find(|settled| settled.request == *request)
    }

    /// The question that stands there, if it waits.
    pub fn open_at(&self, asked: Sequence) -> Option<&Open> {
        self.open.values().find(|open| open.sequence == asked)
    }

    /// The question that stands there, if it was settled lately.
    pub fn settled_at(&self, asked: Sequence) -> Option<&Settled> {
        self.settled.iter().rev().find(|settled| settled.asked == asked)
    }

    fn settle(&mut self, request: &RequestId, how: Settlement) {
        let Some(open) = self.open.remove(request) else { return };
        if self.settled.len() == limits::PERMISSIONS_DECIDED_MAX {
            self.settled.pop_front();
        }
        let Open { request, sequence, tool_use, .. } = open;
        self.settled.push_back(Settled { request, asked: sequence, tool_use, how });
    }

    pub(super) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::PermissionRequested(asked) => {
                let open = Open {
                    request: asked.request.clone(),
                    tool: asked.tool.clone(),
                    subject: asked.subject.clone(),
                    tool_use: asked.tool_use.clone(),
                    asked_at: record.at,
                    sequence: record.sequence,
                };
                self.open.insert(asked.request.clone(), open);
            }
            Event::PermissionDecided(decided) => {
                let how = Settlement::Decided {
                    verdict: decided.verdict,
                    by: record.actor,
                    at: record.at,
                    message: decided.message.clone(),
                    fingerprint: decided.fingerprint,
                    sequence: record.sequence,
                };
                self.settle(&decided.request, how);
            }
            Event::PermissionCancelled { request, .. } => self.settle(request, Settlement::Cancelled),
            _ => {}
        }
    }
}

/// The decision on a question that arrives, if a rule has one.
pub(super) fn by_rule(session: &Session, asked: &PermissionRequested) -> Option<Draft> {
    let rule = session.rules.iter().find(|rule| rule.tool == asked.tool && rule.subject == asked.subject)?;
    Some(session.draft(allowed_by(session.id, asked.request.clone(), rule)))
}

fn allowed_by(session: SessionId, request: RequestId, rule: &Rule) -> Event {
    Event::PermissionDecided(PermissionDecided {
        session,
        request,
        verdict: Verdict::Allow,
        message: None,
        fingerprint: Fingerprint::default(),
        rule: Some(rule.name.clone()),
    })
}

pub(super) fn decide(world: &World, id: SessionId, request: &RequestId, answer: Answer) -> Result<Decided, Refusal> {
    let session = session::find(world, id)?;
    let is_meant = |open: &&Open| answer.asked.is_none_or(|asked| open.sequence == asked);
    let Some(open) = session.permissions.get_open(request).filter(is_meant) else {
        return repeat(session, request, &answer);
    };
    let Answer { verdict, message, fingerprint, payload, remember, .. } = answer;
    let event = Event::PermissionDecided(PermissionDecided {
        session: id,
        request: open.request.clone(),
        verdict,
        message,
        fingerprint,
        rule: None,
    });
    let mut drafts = vec![session.draft(event).with_payload(payload)];
    if let Some(rule) = remember.filter(|rule| !session.rules.contains(rule)) {
        drafts.extend(adopt(session, &rule, request)?);
    }
    if session.permissions.open().count() == 1 {
        drafts.extend(session.status_draft(Status::Working));
    }
    Ok(Decided { drafts, outcome: Outcome::Decided { sequence: Sequence::ZERO } })
}

/// The rule's own record, and the decisions it makes at once on other open questions that it covers.
fn adopt(session: &Session, rule: &Rule, decided: &RequestId) -> Result<Vec<Draft>, Refusal> {
    if session.rules.len() >= limits::RULES_MAX {
        return Err(Refusal::Full { what: "the session's list of rules", max: limits::RULES_MAX });
    }
    let covered = session
        .permissions
        .open()
        .filter(|open| open.request != *decided && open.tool == rule.tool && open.subject == rule.subject)
        .map(|open| open.request.clone());
    let by_rule = |request| session.draft(allowed_by(session.id, request, rule));
    let mut drafts: Vec<Draft> = covered.map(by_rule).collect();
    drafts.insert(0, session.draft(Event::RuleAdded { session: session.id, rule: rule.clone() }));
    Ok(drafts)
}

fn repeat(session: &Session, request: &RequestId, answer: &Answer) -> Result<Decided, Refusal> {
    let settled = session
        .permissions
        .get_settled(request)
        .ok_or_else(|| Refusal::NoPermission { session: session.id, request: request.clone() })?;
    match &settled.how {
        Settlement::Cancelled => Err(Refusal::TakenBack { request: request.clone() }),
        Settlement::Decided { fingerprint, sequence, .. } if *fingerprint == answer.fingerprint => {
            Ok(Decided::nothing(Outcome::Decided { sequence: *sequence }))
        }
        Settlement::Decided { verdict, by, at, message, .. } => Err(Refusal::AlreadyDecided {
            request: request.clone(),
            verdict: *verdict,
            by: by.to_string(),
            at: *at,
            message: message.clone(),
        }),
    }
}

/// The worker settled its own question: somebody answered at the terminal, or it echoes our answer.
pub(super) fn mirror(session: &Session, open: bool, request: &RequestId, verdict: Option<Verdict>) -> Option<Event> {
    let id = session.id;
    let request = request.clone();
    match verdict {
        Some(verdict) if open => Some(Event::PermissionDecided(PermissionDecided {
            session: id,
            request,
            verdict,
            message: None,
            fingerprint: Fingerprint::default(),
            rule: None,
        })),
        None if open => Some(Event::PermissionCancelled { session: id, request }),
        _ => session.outbox.answer(&request).map(|_| Event::PermissionDelivered { session: id, request }),
    }
}

/// Denies everything that is open: an interrupted REPL leaves its prompt standing otherwise.
pub(super) fn deny_all(session: &Session) -> impl Iterator<Item = Draft> {
    session.permissions.open().map(|open| {
        session.draft(Event::PermissionDecided(PermissionDecided {
            session: session.id,
            request: open.request.clone(),
            verdict: Verdict::Deny,
            message: Some("Interrupted.".into()),
            fingerprint: Fingerprint::default(),
            rule: None,
        }))
    })
}
