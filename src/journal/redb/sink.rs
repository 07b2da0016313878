//! Bringing what the log holds into the tables, beside the commits that go on.
//!
//! One at a time. What is on its way lies still in the log, in the half that is not written, and in memory
//! ([`recent`](super::recent)): until it is durable in the tables, nothing is taken away.

use std::{
    sync::{Arc, PoisonError},
    thread::{self, JoinHandle},
};

use super::{Shared, index::Checkpoint, insert, recent::Part, transact};
use crate::journal::JournalError;

/// What goes into the tables in one transaction.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) part: Arc<Part>,
    /// The index of everything up to its end, when that is due.
    pub(super) index: Option<Checkpoint>,
}

/// Whose time it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) enum Whose {
    /// That of a thread of its own.
    Aside,
    /// The writer's, when it cannot go on without: what a simulation can repeat.
    #[cfg(test)]
    Writer,
}

/// A load on its way.
#[derive(Debug)]
pub(super) enum Sinking {
    Aside(JoinHandle<Result<(), JournalError>>),
    #[cfg(test)]
    Writer(Load),
}

impl Load {
    fn sink(&self, shared: &Shared) -> Result<(), JournalError> {
        transact(&shared.db, |txn| {
            insert(txn, self.part.stored(), self.part.commits())?;
            self.index.as_ref().map_or(Ok(()), |index| index.write(txn))
        })?;
        let mut live = shared.live.write().unwrap_or_else(PoisonError::into_inner);
        live.recent.sunk();
        if self.index.is_some() {
            live.settle_covered();
        }
        Ok(())
    }
}

impl Sinking {
    pub(super) fn begin(
        load: Load,
        shared: &Arc<Shared>,
        whose: Whose,
        alarm: fn(&JournalError),
    ) -> Result<Self, JournalError> {
        match whose {
            Whose::Aside => {
                let shared = Arc::clone(shared);
                let sink = move || {
                    let sunk = load.sink(&shared);
                    if let Err(error) = &sunk {
                        tracing::error!(%error, "what the log holds cannot be written to the tables; it stays there");
                        alarm(error);
                    }
                    sunk
                };
                let thread = thread::Builder::new().name("rcs-tables".into()).spawn(sink);
                let refused = |error: std::io::Error| JournalError::Storage {
                    doing: "start the thread that writes its tables",
                    source: error.into(),
                };
                thread.map(Self::Aside).map_err(refused)
            }
            #[cfg(test)]
            Whose::Writer => Ok(Self::Writer(load)),
        }
    }

    /// Whether it has ended, well or not.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Aside(thread) => thread.is_finished(),
            #[cfg(test)]
            Self::Writer(_) => false,
        }
    }

    /// Waits until it is durable.
    #[cfg_attr(not(test), expect(unused_variables, reason = "its own thread has them"))]
    pub(super) fn end(self, shared: &Shared) -> Result<(), JournalError> {
        match self {
            Self::Aside(thread) => thread.join().unwrap_or_else(|_| {
                let source = "it panicked".into();
                Err(JournalError::Storage { doing: "write its tables", source })
            }),
            #[cfg(test)]
            Self::Writer(load) => load.sink(shared),
        }
    }
}
