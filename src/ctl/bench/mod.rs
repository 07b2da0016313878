//! `rcsctl bench`.
use clap::Args;

use super::{Context, CtlError};

/// See [`Command::Bench`](super::cli::Command::Bench).
#[derive(Debug, Args)]
pub(crate) struct Bench {}

impl Bench {
    pub(crate) fn run(self, _: &mut Context<'_>) -> Result<(), CtlError> {
        Ok(())
    }
}
