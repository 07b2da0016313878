//! `rcsctl audit ...`, one file per command.

use clap::Subcommand;

use super::{Context, CtlError};

mod export;
mod verify;

pub(crate) use verify::verify_file;

/// See [`Command::Audit`](super::cli::Command::Audit).
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Recompute the journal's chain; ends with 1 if a record was changed, is missing, or stands elsewhere
    Verify(verify::Verify),
    /// Write who did what to which stream and when, in the journal's own order, one record per line
    Export(export::Export),
}

impl Audit {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::Verify(command) => command.run(context),
            Self::Export(command) => command.run(context),
        }
    }
}
