//! Walking the whole file against its chain, in slices, so that a long check pins no pages.
//!
//! Between slices the server may append and trim: commits never change, and a trimmed record keeps its digest.

use ::redb::ReadTransaction;

use super::{
    failure::failed,
    recent::Recent,
    tables::{COMMITS, EVENTS},
};
use crate::{
    domain::Position,
    journal::{
        Commit, Fault, JournalError, Verdict,
        chain::{Audit, Seal},
        codec::{Stored, rows},
    },
};

/// Checks every record and commit up to `tail`. `begin` opens one transaction per slice, and gives what memory has
/// instead when the tables do not reach so far.
pub(super) fn verify(
    begin: impl Fn(Position) -> Result<(ReadTransaction, Option<Recent>), JournalError>,
    anchor: [u8; 32],
    tail: Position,
    commits_max: usize,
    progress: &mut dyn FnMut(Position),
) -> Result<Verdict, JournalError> {
    let mut audit = Audit::new(anchor);
    while audit.next() <= tail {
        let (txn, recent) = begin(audit.next())?;
        let commits = match &recent {
            Some(recent) => recent.commits_from(audit.next()).copied().collect(),
            None => slice(&txn, audit.next(), tail, commits_max)?,
        };
        if commits.is_empty() {
            audit.fault(audit.next(), format!("no commit covers it, though the journal ends at {tail}"));
            return Ok(audit.verdict());
        }
        for commit in commits.into_iter().take_while(|commit| commit.last <= tail) {
            let fine = match &recent {
                Some(recent) => {
                    audit.commit(&commit, recent.rows_of(&commit).map(|(record, row)| seal(record.position, row)))
                }
                None => check(&txn, &mut audit, &commit)?,
            };
            if !fine {
                return Ok(audit.verdict());
            }
            progress(commit.last);
        }
    }
    Ok(audit.verdict())
}

fn slice(
    txn: &ReadTransaction,
    from: Position,
    tail: Position,
    commits_max: usize,
) -> Result<Vec<Commit>, JournalError> {
    let doing = "read commits";
    let commits = txn.open_table(COMMITS).map_err(failed(doing))?;
    let rows = commits.range(from.0..=tail.0).map_err(failed(doing))?.take(commits_max);
    rows.map(|row| row.map(|(last, row)| rows::read_commit(last.value(), row.value())).map_err(failed(doing))).collect()
}

/// Checks one commit. An error is one of the database; what is wrong with the journal goes into the audit.
fn check(txn: &ReadTransaction, audit: &mut Audit, commit: &Commit) -> Result<bool, JournalError> {
    let doing = "read records";
    let events = txn.open_table(EVENTS).map_err(failed(doing))?;
    let mut refused = None;
    let rows = events.range(commit.first.0..=commit.last.0.max(commit.first.0)).map_err(failed(doing))?;
    let seals = rows.map_while(|row| match row {
        Ok((position, row)) => Some(seal(Position(position.value()), row.value())),
        Err(error) => {
            refused = Some(failed(doing)(error));
            None
        }
    });
    let fine = audit.commit(commit, seals);
    refused.map_or(Ok(fine), Err)
}

fn seal(position: Position, row: &[u8]) -> Result<Seal, Fault> {
    let fault = |flaw: crate::journal::codec::Flaw| Fault { position, reason: flaw.reason() };
    let stored = Stored::parse(row).map_err(fault)?;
    // Decoding finds the one damaged record; the digest alone would only point at its commit.
    stored.check().map_err(fault)?;
    Ok(Seal { position, digest: stored.digest(), forgotten: stored.is_forgotten() })
}
