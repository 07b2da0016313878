//! `rcsctl db backup|restore`: copies, each verified, because one that was never read back is only a hope.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::Which;
use crate::{
    ctl::{Context, CtlError, audit, error::Kind, files::refuse_existing, progress::Progress},
    journal::{Copied, JournalReader, RedbJournal, backup, fresh_epoch, restore},
    wire::web::Verification,
};

/// See [`Db::Backup`](super::Db::Backup).
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    which: Which,
    /// The new file
    #[arg(value_name = "TO")]
    to: PathBuf,
}

/// See [`Db::Restore`](super::Db::Restore).
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The journal to make; it must not exist [default: the one in the data directory]
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

impl Backup {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let path = self.which.path(context)?;
        refuse(&self.to)?;
        let reader = RedbJournal::open(&path)?.redb_reader();
        let bar = Progress::begin("records copied", Some(reader.tail().0));
        let copied = backup(&reader, &self.to, &mut |position| bar.reach(position.0))?;
        drop(bar);
        report(context, &self.to, copied)
    }
}

impl Restore {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let from = context.origin.journal_file(Some(&self.from))?;
        let to = match self.file {
            Some(file) => file,
            None => context.origin.data_directory()?.journal(),
        };
        refuse(&to)?;
        let bar = Progress::begin("records copied", None);
        let copied = restore(&from, &to, fresh_epoch()?, &mut |position| bar.reach(position.0))?;
        drop(bar);
        report(context, &to, copied)
    }
}

/// A copy never takes the place of a file: it may be the only one that is whole.
fn refuse(to: &Path) -> Result<(), CtlError> {
    refuse_existing(to).map_err(|error| CtlError { hints: Vec::new(), ..error }.hint("move it away, or name another"))
}

fn report(context: &mut Context<'_>, to: &Path, Copied { tail, epoch }: Copied) -> Result<(), CtlError> {
    let found = audit::verify_file(to)?;
    let Verification { head, fault, .. } = &found;
    let value = json!({"file": to.display().to_string(), "tail": tail, "epoch": epoch.to_string(), "verified": found});
    let words = format!("{tail} records in {}, epoch {epoch}, head {head}", to.display());
    context.out.say(&value, words)?;
    match fault {
        None => Ok(()),
        Some(fault) => {
            let text = format!("the copy is not what was written: at position {}: {}", fault.position, fault.reason);
            Err(CtlError::new(Kind::Failed, text).hint("the original has the same fault: see rcsctl audit verify"))
        }
    }
}
