//! What was lost with a line: a link keeps nothing while it is down, but most agents can tell a conversation again.
//!
//! Only the turn that was torn is of interest, and only if the agent's account of it holds more than ours. Then its
//! account is recorded behind ours; whoever comes later is told it instead, and whoever was there is told that there is
//! more.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;

use super::{door::Flow, line::Line};
use crate::{
    api::common::House,
    domain::{Command, Event, Sequence, SessionId, Stream, limits},
    relay::{RelayError, page_bounds},
};

/// What of a piece tells whether we have it.
#[derive(Deserialize)]
struct Frame {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    update: Update,
}

#[derive(Deserialize)]
struct Update {
    #[serde(default, rename = "sessionUpdate")]
    kind: String,
    #[serde(default, rename = "toolCallId")]
    call: Option<String>,
    #[serde(default)]
    content: Option<serde_json::Value>,
}

fn update(frame: &[u8]) -> Option<Update> {
    serde_json::from_slice::<Frame>(frame).ok().map(|frame| frame.payload.update)
}

/// What was said and done, without how it was cut into pieces.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gist {
    text: String,
    calls: BTreeSet<String>,
}

impl Gist {
    fn add(&mut self, frame: &[u8]) {
        let Some(Update { kind, call, content }) = update(frame) else { return };
        self.calls.extend(call);
        if kind == "agent_message_chunk" {
            let content = content.as_ref();
            let text = content.and_then(|content| content.get("text")).and_then(serde_json::Value::as_str);
            // Agents differ in the white space between their messages.
            self.text.extend(text.unwrap_or_default().chars().filter(|letter| !letter.is_whitespace()));
        }
    }

    fn of<'a>(frames: impl IntoIterator<Item = &'a Bytes>) -> Self {
        let mut gist = Self::default();
        frames.into_iter().for_each(|frame| gist.add(frame));
        gist
    }

    /// Whether there is something in the other one that is not in this.
    fn lacks(&self, other: &Self) -> bool {
        !self.text.contains(&other.text) || !other.calls.is_subset(&self.calls)
    }
}

/// The pieces behind the last prompt.
fn last_turn(frames: &[Bytes]) -> &[Bytes] {
    let is_prompt = |frame: &Bytes| update(frame).is_some_and(|update| update.kind == "user_message_chunk");
    frames.iter().rposition(is_prompt).map_or(&[], |at| &frames[at + 1..])
}

/// What we have of a turn.
fn recorded(house: &House, session: SessionId, from: Sequence) -> Result<Gist, RelayError> {
    let mut gist = Gist::default();
    let mut next = from;
    loop {
        let records = match house.relay.read(Stream::Session(session), next, page_bounds()) {
            Err(RelayError::Gap { earliest, .. }) if earliest > next => {
                next = earliest;
                continue;
            }
            other => other?,
        };
        let Some(last) = records.last() else { return Ok(gist) };
        next = last.sequence.next();
        let pieces = records.iter().filter(|record| matches!(record.event, Event::MessageReceived { .. }));
        pieces.for_each(|record| gist.add(&record.payload));
    }
}

impl Line<'_> {
    /// Takes the agent's account of a conversation whose last turn was torn; `whole`: all of that turn is in it.
    pub(super) async fn retold(&mut self, session: SessionId, frames: &[Bytes], whole: bool) -> Flow {
        let from = {
            let world = self.house.relay.world();
            world.session(session).map(|found| found.handed_over).unwrap_or_default()
        };
        let account = last_turn(frames);
        let known = recorded(&self.house, session, from)?;
        let lost = known.lacks(&Gist::of(account));
        let fits = whole && account.len() <= limits::INGRESS_MESSAGES_MAX;
        if lost && !fits {
            let words = "While the line was cut, the agent said more in this turn than can be kept here.";
            self.notice(session, words).await?;
        }
        let pieces = if lost && fits { account.to_vec() } else { Vec::new() };
        self.submit(Command::RetellTurn { session, pieces }).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &str, text: &str) -> Bytes {
        let update = serde_json::json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}});
        let frame = serde_json::json!({"type": "session_update", "payload": {"sessionId": "s", "update": update}});
        Bytes::from(frame.to_string())
    }

    #[test]
    fn only_what_we_lack_of_the_last_turn_is_worth_telling_again() {
        let told = [
            chunk("user_message_chunk", "one"),
            chunk("agent_message_chunk", "first"),
            chunk("user_message_chunk", "two"),
            chunk("agent_message_chunk", "w0 w1 w2 w3"),
        ];
        let account = last_turn(&told);
        assert_eq!(account, &told[3..]);
        let whole = [chunk("agent_message_chunk", "w0 w1 "), chunk("agent_message_chunk", "w2 w3 ")];
        let torn = [chunk("agent_message_chunk", "w0 "), chunk("agent_message_chunk", "w3 ")];
        assert!(!Gist::of(&whole).lacks(&Gist::of(account)));
        assert!(Gist::of(&torn).lacks(&Gist::of(account)));
        assert!(last_turn(&told[3..]).is_empty(), "an agent that does not tell what it was asked is not believed");
        let update = serde_json::json!({"sessionUpdate": "tool_call", "toolCallId": "t1"});
        let frame = serde_json::json!({"type": "session_update", "payload": {"sessionId": "s", "update": update}});
        let call = Bytes::from(frame.to_string());
        assert!(Gist::of(&whole).lacks(&Gist::of([&call])));
    }
}
