//! Durable appends over HTTP: many connections, one event per request, the next one when the last was answered.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    house::House,
    http::Connection,
    load::{Load, Template},
    raw::Disk,
    report::Report,
    samples::Samples,
    target::Target,
};
use crate::ctl::{CtlError, output};

/// What was done in how long.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) times: Samples,
    pub(crate) failures: u64,
    pub(crate) elapsed: Duration,
}

impl Done {
    pub(crate) fn merge(&mut self, other: Self) {
        self.times.merge(other.times);
        self.failures += other.failures;
        self.elapsed += other.elapsed;
    }
}

/// Connections to one server, kept from run to run.
#[derive(Debug)]
pub(crate) struct Lanes {
    target: Target,
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    connection: Connection,
    load: Load,
    sent: u64,
}

impl Lanes {
    /// A connection for each load.
    pub(crate) async fn open(target: &Target, loads: impl IntoIterator<Item = Load>) -> Result<Self, CtlError> {
        let mut lanes = Vec::new();
        for load in loads {
            lanes.push(Lane { connection: target.connect().await?, load, sent: 0 });
        }
        Ok(Self { target: target.clone(), lanes })
    }

    /// Sends on all of them for so long.
    pub(crate) async fn run(&mut self, duration: Duration) -> Result<Done, CtlError> {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for lane in self.lanes.drain(..) {
            tasks.spawn(lane.run(self.target.clone(), start, duration));
        }
        let mut all = Done::default();
        while let Some(done) = tasks.join_next().await {
            let (lane, done) = done.map_err(CtlError::failed)?;
            self.lanes.push(lane);
            all.merge(done);
        }
        all.elapsed = start.elapsed();
        Ok(all)
    }
}

impl Lane {
    async fn run(mut self, target: Target, start: Instant, duration: Duration) -> (Self, Done) {
        let mut done = Done::default();
        loop {
            let before = Instant::now();
            if before.duration_since(start) >= duration {
                break;
            }
            let answer = self.connection.call(self.load.number(self.sent)).await;
            self.sent += 1;
            match answer {
                Ok(answer) if answer.is_success() => done.times.add(before.elapsed()),
                Ok(_) => done.failures += 1,
                Err(_) => {
                    done.failures += 1;
                    // A connection that broke is opened again; one that cannot be ends the run of this task.
                    match target.connect().await {
                        Ok(fresh) => self.connection = fresh,
                        Err(_) => break,
                    }
                }
            }
        }
        (self, done)
    }
}

pub(crate) async fn measure(
    house: &mut House<'_>,
    connections: usize,
    duration: Duration,
    disk: Option<&mut Disk>,
    report: &mut Report,
) -> Result<(), CtlError> {
    let session = house.session().await?;
    let before = house.tail().await?;
    let mut loads = Vec::with_capacity(connections);
    for _ in 0..connections {
        loads.push(Load::one(Template::messages(house.target, session, 1)?));
    }
    let done = Lanes::open(house.target, loads).await?.run(duration).await?;
    let limit = limit(house, before, disk, report).await?;
    let row = report.add("append over HTTP", connections, done.times.len() as u64, done.elapsed, done.times);
    row.failures = done.failures;
    if let Some((batch, per_second)) = limit {
        row.against(format!("raw commits of {batch}"), per_second);
    }
    Ok(())
}

/// What the disk does at the batch size that the server reached since a position, and that size. To be asked right
/// after the server was measured: a disk changes by the minute.
pub(crate) async fn limit(
    house: &mut House<'_>,
    before: u64,
    disk: Option<&mut Disk>,
    report: &mut Report,
) -> Result<Option<(usize, f64)>, CtlError> {
    let Some(disk) = disk else { return Ok(None) };
    let Some(batch) = house.batch_since(before).await? else {
        // As many as connections is no size that was reached: commits overlap with what gathers for the next one.
        output::note("this key may not see how large the commits were: use an admin's key to compare with the disk");
        return Ok(None);
    };
    let batch = batch.max(1);
    Ok(Some((batch, disk.commits(batch, report)?)))
}
