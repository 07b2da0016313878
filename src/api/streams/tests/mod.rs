//! The room without a network: calls in, whole answers out, by a clock that stands still until a test moves it.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

pub(crate) use crate::api::common::bench::{ADMIN, ALICE, MALLORY, RUNNER, VIEWER, owner};
use crate::{
    api::common::{
        House, Settings,
        bench::{self, PEOPLE},
        call::normal_path,
    },
    wire::streams::header as name,
};

mod answers;
mod readers;
mod rights;

pub(crate) const TEXT: (&str, &str) = ("content-type", "text/plain");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A house, and the clock on its wall.
pub(crate) struct Bench {
    pub(crate) house: Arc<House>,
    clock: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn offset(&self) -> String {
        self.header(name::NEXT_OFFSET).to_owned()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    /// Everything that a client can see of it. Headers that every answer has are left out, and lives are random.
    pub(crate) fn shown(&self) -> String {
        let always = ["vary", "x-content-type-options", "cross-origin-resource-policy", "content-security-policy"];
        let mut page = format!("{}\n", self.status);
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !always.contains(&name.as_str()))
            .map(|(name, value)| format!("  {name}: {}\n", value.to_str().expect("text")))
            .collect();
        lines.sort();
        page.extend(lines);
        if !self.body.is_empty() {
            writeln!(page, "{}", String::from_utf8_lossy(&self.body).trim_end()).expect("a string takes everything");
        }
        anonymised(&page)
    }
}

/// Without the numbers of lives, which are drawn anew by each run.
fn anonymised(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = rest.find(['_', '"']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let hex = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        rest = if before.ends_with('_') && digits == 16 && !after.starts_with("0000000000000000") {
            out.push_str("LIFE");
            &after[16..]
        } else if hex >= 8 && after[hex..].starts_with(':') {
            out.push_str("LIFE");
            &after[hex..]
        } else {
            after
        };
    }
    out + rest
}

impl Bench {
    pub(crate) async fn open() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (clock, relay) = bench::by_a_still_clock();
        let (directory, house) = bench::house(relay, |house| {
            house.settings.streams_poll = Duration::from_millis(20);
            house.settings.streams_sse = Duration::from_millis(250);
            change(&mut house.settings);
        });
        bench::let_in(&house, &PEOPLE).await;
        Self { house, clock, _directory: directory }
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut call = bench::call(method, path, token, headers, body);
        call.path = normal_path(&call.path);
        let bench::Answer { status, headers, body } =
            bench::read(super::answer(Arc::clone(&self.house), call).await).await;
        Answer { status, headers, body }
    }

    pub(crate) async fn put(&self, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        self.send("PUT", path, ALICE, headers, body).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        self.send("POST", path, ALICE, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, ALICE, &[], "").await
    }
}
