//! All sessions and runners of a caller as they are, and every change, as server-sent events.
//!
//! A view of the present: the frames have no numbers, and a reader that connects again starts over. Changes are told at
//! most every [`limits::OVERVIEW_INTERVAL_MS`], so that an agent that writes word by word does not redraw every list.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{caller::Caller, environments, sessions};
use crate::{
    api::common::{
        House, Response,
        presence::Looking,
        reply::{Feed, streamed},
        stream::{self, Open},
    },
    domain::{Position, SessionId, limits, session},
    security::Principal,
    wire::web::{Environment, EnvironmentStatus, Overview, Session},
};

struct View {
    house: Arc<House>,
    principal: Principal,
    committed: watch::Receiver<Position>,
    closing: watch::Receiver<bool>,
    /// Up to which sequence each session was told: nothing about a session changes without its stream growing.
    told: HashMap<SessionId, u64>,
    environments: Vec<Environment>,
    /// When it was last looked.
    looked: Option<Instant>,
    ended: bool,
    _open: Open,
    _looking: Option<Looking>,
}

pub(super) fn follow(caller: &Caller<'_>) -> Response {
    let (house, principal) = (Arc::clone(caller.house), caller.principal.clone());
    let (committed, closing) = (house.relay.committed(), house.relay.closing());
    let open = Open::new(Open::SSE);
    let looking = looking(caller).and_then(|()| house.looks(&principal, None));
    let view = View {
        house,
        principal,
        committed,
        closing,
        told: HashMap::new(),
        environments: Vec::new(),
        looked: None,
        ended: false,
        _open: open,
        _looking: looking,
    };
    streamed("text/event-stream", view)
}

/// Whether the page says that somebody looks at it.
pub(super) fn looking(caller: &Caller<'_>) -> Option<()> {
    (caller.call.query("looking").as_deref() == Some("true")).then_some(())
}

/// What a reader waits for.
#[derive(PartialEq, Eq)]
enum Happened {
    Commit,
    Silence,
    Closing,
}

impl Feed for View {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let Some(looked) = self.looked else { return Some(self.look(true).unwrap_or_default()) };
        loop {
            let rest = Duration::from_millis(limits::OVERVIEW_INTERVAL_MS).saturating_sub(looked.elapsed());
            let changed = async {
                tokio::time::sleep(rest).await;
                self.committed.changed().await
            };
            let happened = tokio::select! {
                Ok(()) = changed => Happened::Commit,
                () = tokio::time::sleep(self.house.settings.sse_keepalive) => Happened::Silence,
                _ = self.closing.wait_for(|closing| *closing) => Happened::Closing,
            };
            self.ended = happened == Happened::Closing || !self.may_go_on();
            match happened {
                Happened::Closing => {
                    return Some(Bytes::from_static(b"retry: 1000\n: the server is shutting down\n\n"));
                }
                Happened::Silence => return Some(Bytes::from_static(b": keepalive\n\n")),
                Happened::Commit if self.ended => return None,
                Happened::Commit => {}
            }
            if let Some(frame) = self.look(false) {
                return Some(frame);
            }
        }
    }
}

impl View {
    fn may_go_on(&self) -> bool {
        matches!(&self.principal, Principal::Key { key, device, .. } if self.house.is_valid(*key, *device))
    }

    /// What changed since the last look, as a frame; nothing if nothing did.
    fn look(&mut self, whole: bool) -> Option<Bytes> {
        self.looked = Some(Instant::now());
        self.committed.mark_unchanged();
        let scope = self.principal.scope();
        let world = self.house.relay.world();
        let mut changed: Vec<&session::Session> = world
            .sessions()
            .filter(|found| scope.includes(found.owner))
            .filter(|found| match self.told.get(&found.id) {
                Some(told) => found.latest.0 > *told,
                None => found.archived_at.is_none(),
            })
            .collect();
        changed.sort_unstable_by_key(|found| {
            std::cmp::Reverse((sessions::is_asking(found), found.pinned, found.active_at))
        });
        if whole {
            changed.truncate(limits::OVERVIEW_SESSIONS_MAX);
        }
        let sessions: Vec<Session> = changed.into_iter().map(sessions::summary).collect();
        let mut environments: Vec<Environment> = world
            .environments()
            .filter(|found| scope.includes(found.particulars.owner))
            .map(environments::summary)
            .filter(|found| found.status != EnvironmentStatus::Deregistered)
            .collect();
        drop(world);
        environments.sort_unstable_by_key(|one| one.id);
        let moved = (whole || environments != self.environments).then(|| environments.clone());
        self.environments = environments;
        if !whole && sessions.is_empty() && moved.is_none() {
            return None;
        }
        for session in &sessions {
            if session.archived_at.is_some() {
                self.told.remove(&session.id);
            } else {
                self.told.insert(session.id, session.latest);
            }
        }
        let now = self.house.relay.now().to_string();
        let overview = Overview { whole, sessions, environments: moved, now };
        let mut out = Vec::new();
        stream::frame(&mut out, Some("overview"), None, &serde_json::to_vec(&overview).ok()?);
        Some(out.into())
    }
}
