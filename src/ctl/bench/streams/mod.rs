//! Streams of users, over the Durable Streams protocol: appends, catch-up, server-sent events. Other servers of the
//! protocol are measured by the same client in the same run, so that there is a ratio and not just two numbers.
//!
//! Where it can be done, servers are measured in turns of a second: a disk and a shared machine change by the minute.

use std::time::Duration;

use super::{fanout, house::House, load::Template, raw::Disk, report::Report};
use crate::ctl::{CtlError, output};
use comparison::Comparison;
use server::Server;

mod appends;
mod catch_up;
mod comparison;
mod loopback;
mod server;

pub(crate) use server::Rival;

/// What is appended: the size of a token with what goes around it.
const APPEND_BYTES: usize = 256;
/// How long a server is measured before it is the next one's turn.
const TURN: Duration = Duration::from_secs(1);

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) connections: &'a [usize],
    pub(crate) readers: usize,
    /// Of the stream that is caught up with.
    pub(crate) bytes: u64,
    pub(crate) duration: Duration,
}

impl Plan<'_> {
    /// Turns of each server.
    fn turns(&self) -> u64 {
        self.duration.as_secs().max(1)
    }
}

pub(crate) async fn measure(
    house: &mut House<'_>,
    rivals: &[Rival],
    plan: &Plan<'_>,
    disk: Option<&mut Disk>,
    report: &mut Report,
) -> Result<(), CtlError> {
    let mut servers = vec![Server::ours(house.target).await?];
    for rival in rivals {
        servers.push(Server::rival(rival).await?);
    }
    let measured = measure_all(house, &mut servers, plan, disk, report).await;
    for server in &mut servers {
        // What was measured is worth more than a tidy end.
        if let Err(error) = server.clear().await {
            error.lines().iter().for_each(|line| output::note(line));
        }
    }
    measured
}

async fn measure_all(
    house: &mut House<'_>,
    servers: &mut [Server],
    plan: &Plan<'_>,
    disk: Option<&mut Disk>,
    report: &mut Report,
) -> Result<(), CtlError> {
    appends::measure(house, servers, plan, disk, report).await?;
    output::note("catching up with streams ...");
    catch_up::measure(servers, plan, report).await?;
    output::note(&format!("telling {} readers of a stream ...", plan.readers));
    live(servers, plan, report).await
}

/// From an append to each of the readers of a stream. Its media type is JSON: bytes are told in base64.
async fn live(servers: &mut [Server], plan: &Plan<'_>, report: &mut Report) -> Result<(), CtlError> {
    const MEDIA: &str = "application/json";
    let mut comparison = Comparison::by_p99("append to a stream seen by every reader", plan.readers);
    for server in servers {
        let path = server.stream(MEDIA).await?;
        let template = Template::append(&server.target, &path, MEDIA, APPEND_BYTES)?;
        let request = server.target.follow(&format!("{path}?offset=now&live=sse"));
        let spread = fanout::spread(&server.target, &request, template, plan.readers, plan.duration).await?;
        let arrived = spread.times.len() as u64;
        let row = report.add(comparison.what, plan.readers, arrived, spread.elapsed, spread.times);
        row.failures = spread.failures;
        comparison.place(server, row);
    }
    Ok(())
}
