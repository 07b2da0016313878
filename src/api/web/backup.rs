//! The whole journal as a file, while the server runs: for those who run it.
//!
//! The copy is complete before the answer begins, so that what goes wrong with it is told by the status. A client that
//! stops reading loses it: it holds the disk space of a whole journal, and everybody else's turn.

use std::{fs::File, io::Read as _, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, header};
use tokio::sync::{mpsc, watch};

use super::{caller::Caller, error::Failure};
use crate::{
    api::common::{
        Response,
        reply::{Feed, streamed},
    },
    domain::limits,
    relay::{Backup, BackupError},
    wire::web::{Problem, ProblemKind},
};

/// The pieces of one download.
struct Pieces(mpsc::Receiver<Bytes>);

impl Feed for Pieces {
    async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

pub(super) async fn download(caller: &Caller<'_>) -> Result<Response, Failure> {
    let relay = &caller.house.relay;
    let backup = relay.back_up().await?;
    tracing::info!(tail = backup.tail.0, bytes = backup.bytes, "the journal was copied for a backup");
    let (length, name) = (backup.bytes, format!("attachment; filename=\"rcs-{}-{}.redb\"", backup.epoch, backup.tail));
    let (pieces, waiting) = mpsc::channel(1);
    tokio::spawn(send(backup, pieces, relay.closing()));
    let mut response = streamed("application/octet-stream", Pieces(waiting));
    let headers = response.headers_mut();
    // Whoever has less was cut off: the connection is closed before so much came.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Hands the copy on, until all of it is gone, the client takes no more, or the server closes.
async fn send(backup: Backup, pieces: mpsc::Sender<Bytes>, mut closing: watch::Receiver<bool>) {
    let Backup { mut file, .. } = backup;
    loop {
        let read = tokio::task::spawn_blocking(move || read(&mut file).map(|piece| (file, piece))).await;
        let piece = match read {
            Ok(Ok((rest, piece))) => {
                file = rest;
                piece
            }
            Ok(Err(error)) => return tracing::error!(%error, "a backup could not be read"),
            Err(error) => return tracing::error!(%error, "a backup could not be read"),
        };
        if piece.is_empty() {
            return;
        }
        tokio::select! {
            sent = pieces.send_timeout(piece, Duration::from_millis(limits::BACKUP_STALL_MS)) => {
                if sent.is_err() {
                    return tracing::warn!("a backup was given up: its reader went away, or took nothing for too long");
                }
            }
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

fn read(file: &mut File) -> std::io::Result<Bytes> {
    let mut piece = Vec::with_capacity(limits::BACKUP_PIECE_BYTES);
    let limit = u64::try_from(limits::BACKUP_PIECE_BYTES).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut piece)?;
    Ok(piece.into())
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::UnderWay => {
                let problem = Problem::new(ProblemKind::TooManyRequests, error.to_string());
                problem.with_retry_after(limits::BACKUP_RETRY_SECONDS).into()
            }
            BackupError::NoSpace { .. } | BackupError::Full { .. } => {
                tracing::error!(%error, "there is no room for a backup");
                Self::new(ProblemKind::NoSpace, error.to_string())
            }
            BackupError::File { .. } => {
                tracing::error!(%error, "no backup was made");
                Self::new(ProblemKind::Internal, error.to_string())
            }
            BackupError::Relay(error) => error.into(),
        }
    }
}
