//! What is durable by the log alone: commits that are not in the tables yet, in memory.
//!
//! Inserting a record into a table is most of what a commit would compute, and thousands at once, in order, cost a
//! fraction of as many one by one. So they gather here until the log has no room for more, and go into the tables
//! together. Readers look here for what the tables do not have.

use std::sync::Arc;

use crate::{
    domain::{Position, Record},
    journal::{Batch, Commit},
};

/// The commits that are not in the tables. Holds what the log holds, and no more.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// On their way into the tables.
    sinking: Option<Arc<Part>>,
    newer: Part,
}

/// Commits behind one another.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    rows: Batch,
    commits: Vec<Commit>,
}

/// A record from memory.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) record: Arc<Record>,
    /// How many bytes it takes where it is stored.
    pub(super) bytes: usize,
}

impl Recent {
    /// Takes the next commit.
    pub(super) fn push(&mut self, batch: &Batch, commit: Commit) {
        self.newer.rows.extend(batch);
        self.newer.commits.push(commit);
    }

    /// Sends what is there on its way into the tables. Nothing else is.
    pub(super) fn sink(&mut self) -> Arc<Part> {
        let empty = Part { rows: Batch::like(&self.newer.rows), commits: Vec::with_capacity(self.newer.commits.len()) };
        let part = Arc::new(std::mem::replace(&mut self.newer, empty));
        self.sinking = Some(Arc::clone(&part));
        part
    }

    /// What was on its way is in the tables now.
    pub(super) fn sunk(&mut self) {
        self.sinking = None;
    }

    /// Everything is in the tables now.
    pub(super) fn clear(&mut self) {
        self.sinking = None;
        self.newer.rows.clear();
        self.newer.commits.clear();
    }

    /// What is not on its way into the tables.
    pub(super) const fn newer(&self) -> &Part {
        &self.newer
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.sinking.as_deref().into_iter().chain([&self.newer])
    }

    /// The first position here.
    pub(super) fn first(&self) -> Option<Position> {
        self.parts().find_map(|part| part.commits.first()).map(|commit| commit.first)
    }

    /// The commits from the one that holds `from` on.
    pub(super) fn commits_from(&self, from: Position) -> impl Iterator<Item = &Commit> {
        self.parts().flat_map(move |part| part.commits_from(from))
    }

    /// The records of one of its commits, with their stored bytes.
    pub(super) fn rows_of(&self, commit: &Commit) -> impl Iterator<Item = (&Arc<Record>, &[u8])> {
        let positions = commit.first.0..=commit.last.0;
        positions.filter_map(|position| self.row(Position(position)))
    }

    /// The record at a position.
    pub(super) fn get(&self, position: Position) -> Option<Kept> {
        self.row(position).map(|(record, row)| Kept { record: Arc::clone(record), bytes: row.len() })
    }

    /// The records from `from` on, at most `count`.
    pub(super) fn from(&self, from: Position, count: usize) -> Vec<Kept> {
        let last = self.parts().filter_map(|part| part.commits.last()).last();
        let (Some(first), Some(last)) = (self.first(), last) else { return Vec::new() };
        let positions = from.max(first).0..=last.last.0;
        positions.take(count).filter_map(|position| self.get(Position(position))).collect()
    }

    fn row(&self, position: Position) -> Option<(&Arc<Record>, &[u8])> {
        self.parts().find_map(|part| part.row(position))
    }
}

impl Part {
    pub(super) fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// The stored bytes of all records.
    pub(super) fn stored(&self) -> impl Iterator<Item = (Position, &[u8])> {
        self.rows.stored()
    }

    fn commits_from(&self, from: Position) -> &[Commit] {
        &self.commits[self.commits.partition_point(|commit| commit.last < from)..]
    }

    fn row(&self, position: Position) -> Option<(&Arc<Record>, &[u8])> {
        let index = position.0.checked_sub(self.commits.first()?.first.0)?;
        self.rows.row(usize::try_from(index).ok()?)
    }
}
