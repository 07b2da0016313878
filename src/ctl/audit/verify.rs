//! `rcsctl audit verify`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    ctl::{Context, CtlError, error::Kind, progress::Progress, terminal},
    journal::{Journal, JournalError, JournalReader, RedbJournal, Verdict},
    wire::web::{Fault, Verification},
};

/// See [`Audit::Verify`](super::Audit::Verify).
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Read this journal (a stopped server's, or a backup) instead of asking the server
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Also demand that the chain passes through this link, such as the head of an earlier run
    #[arg(long, value_name = "HEX")]
    head: Option<String>,
}

impl Verify {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let found = match &self.file {
            Some(path) => offline(&context.origin.journal_file(Some(path))?, self.head.as_deref())?,
            None if self.head.is_some() => {
                return Err(CtlError::usage("--head needs --file").hint("a server's answer cannot be trusted with it"));
            }
            None => context.client()?.post_slow("/audit/verify")?,
        };
        let Verification { clean, records, commits, trimmed, head, fault } = &found;
        let words = format!("{records} records in {commits} commits ({trimmed} trimmed), head {head}");
        context.out.say(&found, if *clean { format!("clean: {words}") } else { format!("walked {words}") })?;
        match fault {
            None if *clean => Ok(()),
            None => Err(CtlError::failed("the journal is not what was written")),
            Some(Fault { position, reason }) => Err(faulty(*position, reason)),
        }
    }
}

fn faulty(position: u64, reason: &str) -> CtlError {
    let reason = terminal::one_line(reason);
    CtlError::failed(format!("the journal is not what was written: at position {position}: {reason}"))
        .hint("keep this file for the investigation, and restore a backup")
}

/// Walks the whole chain of a journal's file.
pub(crate) fn verify_file(path: &Path) -> Result<Verification, CtlError> {
    offline(path, None)
}

fn offline(path: &Path, head: Option<&str>) -> Result<Verification, CtlError> {
    // Every page is checked on opening: a flipped bit in the database's own structure must not go unnoticed either.
    let journal = RedbJournal::open_checked(path).map_err(damage)?;
    let reader = journal.reader();
    let bar = Progress::begin("records", Some(reader.tail().0));
    let Verdict { records, commits, trimmed, head: last, fault } =
        reader.verify(&mut |position| bar.reach(position.0)).map_err(damage)?;
    drop(bar);
    let mut fault = fault.map(|fault| Fault { position: fault.position.0, reason: fault.reason });
    if let (Some(head), None) = (head, &fault)
        && !passes_through(reader.as_ref(), head)?
    {
        let reason = format!("no commit has the link {head}: this is another journal, or its past was written anew");
        fault = Some(Fault { position: 0, reason });
    }
    Ok(Verification { clean: fault.is_none(), records, commits, trimmed, head: hex(&last), fault })
}

/// A file that is damaged is a finding, exit code 1; one that is in use is not.
fn damage(error: JournalError) -> CtlError {
    let kind = if matches!(error, JournalError::InUse { .. }) { Kind::Unavailable } else { Kind::Failed };
    CtlError::new(kind, error)
}

fn passes_through(reader: &dyn JournalReader, link: &str) -> Result<bool, CtlError> {
    const COMMITS_MAX: usize = 4_096;
    let mut from = crate::domain::Position(1);
    loop {
        let commits = reader.commits(from, COMMITS_MAX)?;
        if commits.iter().any(|commit| hex(&commit.link).eq_ignore_ascii_case(link)) {
            return Ok(true);
        }
        match commits.last() {
            Some(last) => from = last.last.next(),
            None => return Ok(false),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string cannot fail.
        let _written = write!(out, "{byte:02x}");
        out
    })
}
