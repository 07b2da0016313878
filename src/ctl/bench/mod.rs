//! `rcsctl bench`: what a server does under load, each number beside what the disk and the database can do at best,
//! measured in the same run. Numbers of different runs or machines say little; ratios within one run do.
//!
//! It starts nothing: it takes a running server, makes sessions and streams of its own there, and archives or deletes
//! them at the end. It acts as a worker where it appends, because that is where the load comes from. May not know the
//! server's insides.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{Context, CtlError, output};
use report::Report;
use streams::Rival;
use target::Target;

mod append;
mod dispatch;
mod fanout;
mod house;
mod http;
mod load;
mod raw;
mod replay;
mod report;
mod samples;
mod streams;
mod target;

/// See [`Command::Bench`](super::cli::Command::Bench).
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "append,dispatch,fanout,replay,streams")]
    only: Vec<Part>,
    /// Connections that append at once, one run each
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,16,64,256")]
    connections: Vec<usize>,
    /// Followers of one session at once, one run each; as many readers of one stream as the largest number says
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "100,500,1000")]
    subscribers: Vec<usize>,
    /// Events in the history that is replayed
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    history: u64,
    /// Another server of Durable Streams, to be measured beside this one; repeatable
    #[arg(long = "rival", value_name = "NAME=URL")]
    rivals: Vec<Rival>,
    /// Length of the stream that is read from its start to its end
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1024))]
    stream: u64,
    /// How long each run takes
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    seconds: u64,
    /// Where the raw limits of the disk are measured; must be on the disk of the server's data [default: the data
    /// directory, if it is there]
    #[arg(long, value_name = "DIR")]
    disk: Option<PathBuf>,
}

/// Parts of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable appends over HTTP, one event per request
    Append,
    /// From queued work to the answer of the runner's waiting poll
    Dispatch,
    /// From an append to each of many followers
    Fanout,
    /// Reading a long history
    Replay,
    /// Streams of users: appends, catch-up and server-sent events, beside the rivals
    Streams,
}

impl Bench {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let target = Target::new(&context.origin.base, Some(&context.origin.key()?))?;
        let disk = self.disk.clone().or_else(|| {
            let data = context.origin.data_directory().ok()?.path().to_owned();
            data.is_dir().then_some(data)
        });
        let duration = Duration::from_secs(self.seconds.max(1));
        let mut report = Report::default();
        // One thread: the server needs the others.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut disk = match disk {
            Some(directory) => Some(raw::Disk::open(directory, duration)?),
            None => None,
        };
        match &mut disk {
            Some(disk) => {
                output::note("measuring the disk ...");
                disk.sync(&mut report)?;
                disk.commits(1, &mut report)?;
            }
            None => output::note("no disk to compare with: name one with --disk"),
        }
        let measured = runtime.block_on(self.measure(&target, duration, disk.as_mut(), &mut report));
        // What was measured until something broke, a rival perhaps, took minutes.
        report.print(&mut context.out)?;
        measured?;
        match report.failures() {
            0 => Ok(()),
            failures => Err(CtlError::failed(format!("{failures} requests or events failed: the numbers mean little"))),
        }
    }

    async fn measure(
        &self,
        target: &Target,
        duration: Duration,
        disk: Option<&mut raw::Disk>,
        report: &mut Report,
    ) -> Result<(), CtlError> {
        let mut house = house::House::new(target).await?;
        let measured = self.measure_in(&mut house, duration, disk, report).await;
        // What was measured is worth more than a tidy end.
        if let Err(error) = house.clear().await {
            error.lines().iter().for_each(|line| output::note(line));
        }
        measured
    }

    async fn measure_in(
        &self,
        house: &mut house::House<'_>,
        duration: Duration,
        mut disk: Option<&mut raw::Disk>,
        report: &mut Report,
    ) -> Result<(), CtlError> {
        if self.only.contains(&Part::Append) {
            for connections in &self.connections {
                output::note(&format!("appending over {connections} connections ..."));
                append::measure(house, *connections, duration, disk.as_deref_mut(), report).await?;
            }
        }
        if self.only.contains(&Part::Dispatch) {
            output::note("dispatching ...");
            dispatch::measure(house, report).await?;
        }
        if self.only.contains(&Part::Fanout) {
            for subscribers in &self.subscribers {
                output::note(&format!("fanning out to {subscribers} followers ..."));
                fanout::measure(house, *subscribers, duration, report).await?;
            }
        }
        if self.only.contains(&Part::Replay) {
            output::note(&format!("replaying {} events ...", self.history));
            replay::measure(house, self.history, report).await?;
        }
        if self.only.contains(&Part::Streams) {
            let plan = streams::Plan {
                connections: &self.connections,
                readers: self.subscribers.iter().copied().max().unwrap_or(1),
                bytes: self.stream * 1024 * 1024,
                duration,
            };
            streams::measure(house, &self.rivals, &plan, disk, report).await?;
        }
        Ok(())
    }
}
