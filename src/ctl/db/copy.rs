//! `rcsctl db backup|restore`: copies, each verified, because one that was never read back is only a hope.

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::Which;
use crate::{
    ctl::{
        Context, CtlError, audit,
        error::Kind,
        files::{NewFile, refuse_existing},
        progress::Progress,
    },
    journal::{Copied, JournalError, JournalReader, RedbJournal, backup, fresh_epoch, restore},
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
        refuse(&self.to)?;
        if self.which.file.is_none() && context.origin.is_named {
            return self.download(context);
        }
        let path = self.which.path(context)?;
        let reader = RedbJournal::open(&path).map_err(in_use)?.redb_reader();
        let bar = Progress::begin("records copied", Some(reader.tail().0));
        let copied = backup(&reader, &self.to, &mut |position| bar.reach(position.0))?;
        drop(bar);
        report(context, &self.to, copied)
    }
}

impl Backup {
    /// From a server that runs. It counts the bytes that it sends, and the copy is walked here.
    fn download(&self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let (mut copy, bytes) = context.client()?.backup()?;
        let mut file = NewFile::create(&self.to, false)?;
        let bar = Progress::begin("bytes copied", bytes);
        let (mut piece, mut done) = (vec![0; 256 * 1024], 0_u64);
        loop {
            let count = copy.read(&mut piece).map_err(|error| cut(&error))?;
            if count == 0 {
                break;
            }
            file.write_all(&piece[..count])?;
            done += count as u64;
            bar.reach(done);
        }
        drop(bar);
        if bytes.is_some_and(|bytes| bytes != done) {
            return Err(cut(&io::ErrorKind::UnexpectedEof.into()));
        }
        file.finish()?;
        let reader = RedbJournal::open(&self.to)?.redb_reader();
        let copied = Copied { tail: reader.tail(), epoch: reader.epoch() };
        drop(reader);
        report(context, &self.to, copied)
    }
}

fn cut(error: &io::Error) -> CtlError {
    let text = format!("the server did not send the whole copy: {error}");
    CtlError::new(Kind::Unavailable, text).hint("try again; the server's log says why if it was not the network")
}

/// The data directory's journal is often that of a server that runs.
fn in_use(error: JournalError) -> CtlError {
    let is_in_use = matches!(error, JournalError::InUse { .. });
    let error = CtlError::from(error);
    if is_in_use { error.hint("name the server with --server or RCS_SERVER, and it makes the copy") } else { error }
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
