//! `rcsctl db ...`: the journal's file, while no server has it open; a copy of it also through the server that has.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, CtlError, progress::Progress, table::bytes};
use crate::journal::maintenance;

mod copy;
mod stats;

/// See [`Command::Db`](super::cli::Command::Db).
#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Show how big the journal is and what for
    Stats(Which),
    /// Copy the journal to a new file, and verify the copy
    ///
    /// A server that is named makes the copy while it runs (with an admin's key). Else the journal in the data
    /// directory is copied, which no server may have open.
    Backup(copy::Backup),
    /// Make a journal of a backup. It gets a new identity, so that whoever followed the old one starts over
    Restore(copy::Restore),
    /// Give free pages of the file back to the file system
    Compact(Which),
    /// Make the index of the journal anew from its records
    Reindex(Which),
}

/// One journal.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The journal [default: the one in the data directory]
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

impl Which {
    fn path(&self, context: &Context<'_>) -> Result<PathBuf, CtlError> {
        context.origin.journal_file(self.file.as_deref())
    }
}

impl Db {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::Stats(which) => stats::run(&which, context),
            Self::Backup(command) => command.run(context),
            Self::Restore(command) => command.run(context),
            Self::Compact(which) => compact(&which, context),
            Self::Reindex(which) => reindex(&which, context),
        }
    }
}

fn compact(which: &Which, context: &mut Context<'_>) -> Result<(), CtlError> {
    let path = which.path(context)?;
    let bar = Progress::begin("compacting", None);
    let (before, after) = maintenance::compact(&path)?;
    drop(bar);
    let words = format!("{} are {} now, from {}", path.display(), bytes(after), bytes(before));
    context.out.say(&json!({"before_bytes": before, "after_bytes": after}), words)
}

fn reindex(which: &Which, context: &mut Context<'_>) -> Result<(), CtlError> {
    let path = which.path(context)?;
    let bar = Progress::begin("indexing", None);
    maintenance::reindex(&path)?;
    drop(bar);
    context.out.say(&json!({"reindexed": true}), format!("made the index of {} anew", path.display()))
}
