//! `rcsctl db stats`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Context, CtlError, table};

/// See [`Command::Db`](super::cli::Command::Db).
#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Show what the journal holds
    Stats(Stats),
}

/// `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// The journal [default: the one in the data directory]
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

impl Db {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let Self::Stats(stats) = self;
        let path = context.origin.journal_file(stats.file.as_deref())?;
        let bytes = std::fs::metadata(&path)?.len();
        context.out.line(table::bytes(bytes))
    }
}
