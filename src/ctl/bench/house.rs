//! What the benchmark sets up at the server and takes down again: sessions and runners.

use serde::Deserialize;

use super::{
    http::Answer,
    target::{Line, Target},
};
use crate::{
    ctl::{CtlError, error::Kind},
    domain::{SessionId, limits},
    wire::web::{AuditCommits, ServerStatus},
};

/// A guest's things at a server.
#[derive(Debug)]
pub(crate) struct House<'a> {
    pub(crate) target: &'a Target,
    line: Line,
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
        Ok(Self { target, line: Line::open(target).await?, sessions: Vec::new() })
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
        let answer = self.line.call(&self.target.request(method, path, body)).await?;
        check(path, &answer)?;
        serde_json::from_slice(&answer.body).map_err(|error| CtlError::failed(format!("{path}: {error}")))
    }

    /// A call of the setting up whose answer says nothing.
    pub(crate) async fn done(&mut self, method: &str, path: &str, body: &str) -> Result<(), CtlError> {
        check(path, &self.line.call(&self.target.request(method, path, body)).await?)
    }

    /// Archives what was made.
    pub(crate) async fn clear(&mut self) -> Result<(), CtlError> {
        for session in std::mem::take(&mut self.sessions) {
            self.done("POST", &format!("/api/v1/sessions/{session}/archive"), "{}").await?;
        }
        Ok(())
    }
}

/// That a call of the setting up was answered well.
pub(crate) fn check(path: &str, answer: &Answer) -> Result<(), CtlError> {
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
