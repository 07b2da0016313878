//! `rcsctl status`.

use super::{Context, CtlError, list, table::properties};
use crate::wire::web::{CommitTimes, ServerStatus, Storage};

/// See [`Command::Status`](super::cli::Command::Status).
pub(crate) fn run(context: &mut Context<'_>) -> Result<(), CtlError> {
    let raw = context.client()?.get_raw("/status", &[])?;
    let server = context.origin.base.clone();
    list::one(&mut context.out, &raw, |out, status: ServerStatus| {
        let counts = status.counts;
        let mut rows = vec![
            ("server", format!("{server} (version {})", status.version)),
            ("time there", status.now),
            ("journal", format!("{} records, epoch {}", status.tail, status.epoch)),
            ("runners", format!("{} online of {}", counts.environments_online, counts.environments)),
            (
                "sessions",
                format!(
                    "{} ({} working, {} waiting for a person), {} archived",
                    counts.sessions, counts.sessions_working, counts.sessions_waiting, counts.sessions_archived
                ),
            ),
            ("workers", format!("{} online", counts.workers_online)),
            ("permissions", format!("{} to decide", counts.permissions_open)),
            ("parked work", counts.work_parked.to_string()),
            ("streams", format!("{} followed", status.streams_followed)),
            ("writer", format!("{} commands waiting", status.queue_depth)),
        ];
        rows.extend(status.storage.iter().flat_map(storage));
        let rows: Vec<_> = rows.into_iter().map(|(name, value)| (name, Some(value))).collect();
        properties(out, &rows)
    })
}

/// What an admin sees of the disk.
fn storage(found: &Storage) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let (Some(file), Some(free)) = (found.file_bytes, found.free_bytes) {
        rows.push(("disk", format!("{} MB in the file, {} MB free", file / 1_000_000, free / 1_000_000)));
    }
    if let Some(CommitTimes { commits, median_micros, slow_micros, .. }) = found.commit_times {
        let times = format!("{median_micros} us usually, {slow_micros} us one in a hundred, of the last {commits}");
        rows.push(("commits", times));
    }
    rows
}
