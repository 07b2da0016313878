//! What the benchmark sets up at the server and takes down again: sessions, runners, and messages to fill them with.

use serde::Deserialize;
use serde_json::json;

use super::http::{Answer, Connection, Target};
use crate::{
    ctl::{CtlError, client::fresh_id, error::Kind},
    domain::{SessionId, limits},
    wire::web::{AuditCommits, ServerStatus},
};

/// A guest's things at a server.
#[derive(Debug)]
pub(crate) struct House<'a> {
    pub(crate) target: &'a Target,
    connection: Connection,
    sessions: Vec<SessionId>,
}

#[derive(Debug, Deserialize)]
struct Made {
    id: SessionId,
}

#[derive(Debug, Deserialize)]
struct Shown {
    latest: u64,
}

impl<'a> House<'a> {
    pub(crate) async fn new(target: &'a Target) -> Result<Self, CtlError> {
        Ok(Self { target, connection: target.connect().await?, sessions: Vec::new() })
    }

    /// A fresh session that no runner is asked to run.
    pub(crate) async fn session(&mut self) -> Result<SessionId, CtlError> {
        let made: Made = self.json("POST", "/api/v1/sessions", r#"{"title":"rcsctl bench"}"#).await?;
        self.sessions.push(made.id);
        Ok(made.id)
    }

    /// The last event of a session.
    pub(crate) async fn latest(&mut self, session: SessionId) -> Result<u64, CtlError> {
        let shown: Shown = self.json("GET", &format!("/api/v1/sessions/{session}"), "").await?;
        Ok(shown.latest)
    }

    /// The last position of the journal.
    pub(crate) async fn tail(&mut self) -> Result<u64, CtlError> {
        let status: ServerStatus = self.json("GET", "/api/v1/status", "").await?;
        Ok(status.tail)
    }

    /// Records per commit, on average, after a position; `None` if the key may not see that.
    pub(crate) async fn batch_since(&mut self, before: u64) -> Result<Option<usize>, CtlError> {
        let (mut from, mut commits) = (before + 1, 0);
        loop {
            let path = format!("/api/v1/audit/commits?from={from}&limit={}", limits::PAGE_ITEMS_MAX);
            let page: AuditCommits = match self.json("GET", &path, "").await {
                Ok(page) => page,
                Err(error) if error.kind == Kind::Unauthorised => return Ok(None),
                Err(error) => return Err(error),
            };
            if page.commits.is_empty() || page.next <= from {
                let records = (from - before - 1 + commits / 2).checked_div(commits);
                return Ok(records.and_then(|records| usize::try_from(records).ok()));
            }
            commits += page.commits.len() as u64;
            from = page.next;
        }
    }

    /// A call of the setting up, which must succeed.
    pub(crate) async fn json<T: for<'de> Deserialize<'de>>(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<T, CtlError> {
        let answer = self.connection.call(&self.target.request(method, path, body)).await?;
        check(path, &answer)?;
        serde_json::from_slice(&answer.body).map_err(|error| CtlError::failed(format!("{path}: {error}")))
    }

    /// A call of the setting up whose answer says nothing.
    pub(crate) async fn done(&mut self, method: &str, path: &str, body: &str) -> Result<(), CtlError> {
        check(path, &self.connection.call(&self.target.request(method, path, body)).await?)
    }

    /// Archives what was made.
    pub(crate) async fn clear(&mut self) -> Result<(), CtlError> {
        for session in std::mem::take(&mut self.sessions) {
            self.done("POST", &format!("/api/v1/sessions/{session}/archive"), "{}").await?;
        }
        Ok(())
    }
}

fn check(path: &str, answer: &Answer) -> Result<(), CtlError> {
    if answer.is_success() {
        return Ok(());
    }
    let kind = match answer.status {
        401 | 403 => Kind::Unauthorised,
        404 => Kind::NotFound,
        429 | 503 => Kind::Unavailable,
        _ => Kind::Failed,
    };
    let words = String::from_utf8_lossy(&answer.body);
    Err(CtlError::new(kind, format!("{path} was answered {}: {words}", answer.status)))
}

/// The path that a worker posts to with an API key.
pub(crate) fn ingress(session: SessionId) -> String {
    format!("/v2/session_ingress/session/{session}/events")
}

/// What stands for the number of a message until it is sent.
const NUMBER: &str = "000000000000";

/// A message of a worker of about 300 bytes, as agents send them most, with a UUID that is different each time: a
/// server that leaves repetitions out must not profit.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the number is written.
    places: Vec<usize>,
}

impl Template {
    /// A request that posts `count` messages.
    pub(crate) fn new(target: &Target, session: SessionId, count: usize) -> Result<Self, CtlError> {
        let messages = (0..count).map(|_| message()).collect::<Result<Vec<_>, _>>()?;
        let body = format!("{{\"events\":[{}]}}", messages.join(","));
        let bytes = target.request("POST", &ingress(session), &body);
        let text = String::from_utf8_lossy(&bytes);
        // The session's own id may hold as many zeros; ours follow the salt.
        let places = text.match_indices(MARK).map(|(at, _)| at + MARK.len()).collect();
        Ok(Self { bytes, places })
    }

    /// The request with this number in each message.
    pub(crate) fn number(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:012x}");
        for place in &self.places {
            if let Some(slot) = self.bytes.get_mut(*place..*place + NUMBER.len()) {
                slot.copy_from_slice(digits.as_bytes());
            }
        }
        &self.bytes
    }
}

/// What stands before a number: the same in the UUID and in the text, and in nothing else.
pub(crate) const MARK: &str = "-8bec-";

fn message() -> Result<String, CtlError> {
    let salt = fresh_id()?.as_simple().to_string();
    let (a, b) = (&salt[..8], &salt[8..12]);
    let uuid = format!("{a}-{b}-4{}{MARK}{NUMBER}", &salt[13..16]);
    let words = "The quick brown fox jumps over the lazy dog.";
    let message = json!({
        "type": "assistant",
        "message": {"id": "msg_bench", "type": "message", "role": "assistant", "model": "bench",
                    "content": [{"type": "text", "text": words}]},
        "parent_tool_use_id": null,
        "session_id": "93fa0000-0000-4000-8000-000000000000",
        "uuid": uuid,
    });
    Ok(message.to_string())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ctl::origin::ApiKey;

    #[test]
    fn each_number_makes_other_messages_of_the_same_length() {
        let target = Target::new("http://h:1", &ApiKey::from("k")).expect("an address");
        let session = SessionId::from_uuid(Uuid::nil());
        let mut template = Template::new(&target, session, 2).expect("is made");
        let (first, second) = (template.number(1).to_vec(), template.number(0xabc).to_vec());
        assert_eq!(first.len(), second.len());
        let text = String::from_utf8(second).expect("text");
        let body = text.split("\r\n\r\n").nth(1).expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("is JSON");
        let ids: Vec<&str> = (0..2).filter_map(|at| body["events"][at]["uuid"].as_str()).collect();
        assert!(ids.iter().all(|id| Uuid::try_parse(id).is_ok() && id.ends_with("-8bec-000000000abc")), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
        assert!(first.len() / 2 < 450);
    }
}
