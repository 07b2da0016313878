//! The journal in a file: what every journal promises, and what only a file can do.

use tempfile::TempDir;

use super::*;
use crate::journal::conformance::{self, Subject};

/// A journal in a directory of its own.
pub(in crate::journal) struct OnDisk {
    dir: TempDir,
    bounds: CheckpointBounds,
    journal: Option<RedbJournal>,
}

impl OnDisk {
    pub(in crate::journal) fn new(records_max: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let bounds = CheckpointBounds { records_max, ..CheckpointBounds::default() };
        let mut subject = Self { dir, bounds, journal: None };
        subject.reopen();
        subject
    }

    pub(in crate::journal) fn path(&self) -> PathBuf {
        self.dir.path().join("journal.redb")
    }

    pub(in crate::journal) fn close(&mut self) {
        self.journal = None;
    }
}

impl Subject for OnDisk {
    fn journal(&mut self) -> &mut dyn Journal {
        self.journal.as_mut().expect("is open")
    }

    fn reopen(&mut self) {
        self.close();
        let mut journal = RedbJournal::open_or_create(self.path()).expect("opens");
        journal.bounds = self.bounds;
        self.journal = Some(journal);
    }
}

mod with_few_checkpoints {
    use super::*;
    conformance::suite!(OnDisk::new(limits::CHECKPOINT_RECORDS_MAX));
}

mod with_many_checkpoints {
    use super::*;
    conformance::suite!(OnDisk::new(4));
}
