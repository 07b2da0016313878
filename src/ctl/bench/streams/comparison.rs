//! One thing that every server does: ours first, then the rivals, each beside ours.

use super::server::Server;
use crate::ctl::bench::report::{By, Row};

/// The rows of it.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) what: &'static str,
    pub(super) width: usize,
    by: By,
    ours: Option<Row>,
}

impl Comparison {
    pub(super) const fn by_rate(what: &'static str, width: usize) -> Self {
        Self { what, width, by: By::PerSecond, ours: None }
    }

    pub(super) const fn by_p99(what: &'static str, width: usize) -> Self {
        Self { what, width, by: By::P99, ours: None }
    }

    /// Says whose row it is, and how much better ours was.
    pub(super) fn place(&mut self, server: &Server, row: &mut Row) {
        match (&server.rival, &self.ours) {
            (Some(name), Some(ours)) => row.beside(name, ours, self.by),
            _ => self.ours = Some(row.clone()),
        }
    }
}
