//! `rcsctl status`.

use super::{Context, CtlError, list, table::properties};
use crate::wire::web::ServerStatus;

/// See [`Command::Status`](super::cli::Command::Status).
pub(crate) fn run(context: &mut Context<'_>) -> Result<(), CtlError> {
    let raw = context.client()?.get_raw("/status", &[])?;
    let server = context.origin.base.clone();
    list::one(&mut context.out, &raw, |out, status: ServerStatus| {
        let counts = status.counts;
        let rows = [
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
        properties(out, &rows.map(|(name, value)| (name, Some(value))))
    })
}
