//! Where a history is read from, as replay and export are told.

use std::path::PathBuf;

use clap::Args;

use crate::{
    ctl::{
        Context, CtlError,
        history::{self, History},
    },
    domain::SessionId,
};

/// Which history, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct Source {
    #[command(flatten)]
    pub(crate) which: super::Which,
    /// Read this journal (a stopped server's, or a backup) instead of asking the server
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Begin with this event
    #[arg(long, value_name = "N")]
    pub(crate) from: Option<u64>,
    /// End with this event
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<u64>,
}

/// What is said of a history whose beginning is gone.
pub(crate) fn forgotten_words(count: u64) -> String {
    format!("events 1 to {count} were forgotten (retention); the history begins with {}", count.saturating_add(1))
}

impl Source {
    /// Opens it.
    pub(crate) fn open(&self, context: &Context<'_>) -> Result<History, CtlError> {
        let session: SessionId = self.which.id;
        Ok(match &self.file {
            Some(path) => {
                let reader = history::open_file(&context.origin.journal_file(Some(path))?)?;
                History::File { reader, session }
            }
            None => History::Server { client: context.client()?, session },
        })
    }
}
