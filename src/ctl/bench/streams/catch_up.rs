//! Reading a stream from its start to its end, with plain requests that follow the offsets.

use std::time::Instant;

use super::{Plan, TURN, comparison::Comparison, loopback::Loopback, server::Server};
use crate::{
    ctl::{
        CtlError,
        bench::{
            append::Done,
            http::Connection,
            load::Template,
            report::Report,
            target::{Ask, Target},
        },
    },
    wire::streams::header,
};

const MEDIA: &str = "application/octet-stream";
/// Bytes of an append that fills the stream: what a client that batches would send.
const FILL_BYTES: u64 = 64 * 1024;

pub(super) async fn measure(servers: &mut [Server], plan: &Plan<'_>, report: &mut Report) -> Result<(), CtlError> {
    let appends = plan.bytes.div_ceil(FILL_BYTES);
    let bytes = appends * FILL_BYTES;
    // The limit is the wire and not a table: no server can hand out more than a socket of this machine takes and this
    // client reads, whatever it keeps its streams in, and so it is the same limit for all of them.
    let wire = Loopback::start(bytes)?;
    let mut paths = Vec::with_capacity(servers.len());
    for server in servers.iter_mut() {
        let path = server.stream(MEDIA).await?;
        let length = usize::try_from(FILL_BYTES).unwrap_or(usize::MAX);
        let template = Template::append(&server.target, &path, MEDIA, length)?;
        server.fill(template, appends).await?;
        paths.push(path);
    }
    // Only now: a server may close what is quiet while the others are filled.
    let mut limit = Reading::open(wire.target()?, "/".to_owned()).await?;
    let mut readings = Vec::with_capacity(servers.len());
    for (server, path) in servers.iter().zip(paths) {
        readings.push(Reading::open(server.target.clone(), path).await?);
    }
    for _ in 0..plan.turns() {
        limit.turn(bytes).await?;
        for reading in &mut readings {
            reading.turn(bytes).await?;
        }
    }
    let done = limit.done;
    let row = report.megabytes("the same bytes over loopback, MB", 1, limit.bytes, done.elapsed, done.times);
    row.failures = done.failures;
    let per_second = row.per_second;
    let mut comparison = Comparison::by_rate("catch-up with a stream, MB", 1);
    for (server, Reading { done, bytes, .. }) in servers.iter().zip(readings) {
        let row = report.megabytes(comparison.what, comparison.width, bytes, done.elapsed, done.times);
        row.failures = done.failures;
        row.against("the wire".to_owned(), per_second);
        comparison.place(server, row);
    }
    Ok(())
}

/// One reader, and what it read.
struct Reading {
    target: Target,
    path: String,
    connection: Connection,
    done: Done,
    bytes: u64,
}

impl Reading {
    async fn open(target: Target, path: String) -> Result<Self, CtlError> {
        let connection = target.connect().await?;
        Ok(Self { target, path, connection, done: Done::default(), bytes: 0 })
    }

    /// Reads the stream again and again until the turn is over, each time to its end.
    async fn turn(&mut self, length: u64) -> Result<(), CtlError> {
        let start = Instant::now();
        while start.elapsed() < TURN {
            let before = Instant::now();
            let read = self.pass().await?;
            self.bytes += read;
            if read == length {
                self.done.times.add(before.elapsed());
            } else {
                // Too few, or some of them twice.
                self.done.failures += 1;
            }
        }
        self.done.elapsed += start.elapsed();
        Ok(())
    }

    /// Reads from the start to where the server says that there is no more; how much that was.
    async fn pass(&mut self) -> Result<u64, CtlError> {
        let (mut offset, mut bytes) = ("-1".to_owned(), 0);
        loop {
            let path = format!("{}?offset={offset}", self.path);
            let answer = self.connection.weigh(&self.target.bytes(&Ask::new("GET", &path))).await?;
            if answer.status != 200 {
                return Err(CtlError::failed(format!("{path} was answered {}", answer.status)));
            }
            bytes += answer.bytes;
            if answer.header(header::UP_TO_DATE) == Some("true") {
                return Ok(bytes);
            }
            match answer.header(header::NEXT_OFFSET) {
                Some(next) if next != offset => next.clone_into(&mut offset),
                other => return Err(CtlError::failed(format!("{path} leads to {other:?} and no further"))),
            }
        }
    }
}
