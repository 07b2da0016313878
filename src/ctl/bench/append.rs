//! Durable appends over HTTP: many connections, one event per request, the next one when the last was answered.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    house::{House, Template},
    http::Target,
    raw::Disk,
    report::Report,
    samples::Samples,
};
use crate::ctl::CtlError;

/// What one connection did.
#[derive(Debug, Default)]
struct Done {
    times: Samples,
    failures: u64,
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
    let mut ready = Vec::with_capacity(connections);
    for _ in 0..connections {
        ready.push((house.target.connect().await?, Template::new(house.target, session, 1)?));
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (mut connection, mut template) in ready {
        let target: Target = house.target.clone();
        tasks.spawn(async move {
            let mut done = Done::default();
            for number in 0.. {
                let before = Instant::now();
                if before.duration_since(start) >= duration {
                    break;
                }
                match connection.call(template.number(number)).await {
                    Ok(answer) if answer.is_success() => done.times.add(before.elapsed()),
                    Ok(_) => done.failures += 1,
                    Err(_) => {
                        done.failures += 1;
                        // A connection that broke is opened again; one that cannot be ends the run of this task.
                        match target.connect().await {
                            Ok(fresh) => connection = fresh,
                            Err(_) => break,
                        }
                    }
                }
            }
            done
        });
    }
    let mut all = Done::default();
    while let Some(done) = tasks.join_next().await {
        let done = done.map_err(CtlError::failed)?;
        all.times.merge(done.times);
        all.failures += done.failures;
    }
    let elapsed = start.elapsed();
    // The limit is measured right after, at the batch size that the server reached: a disk changes by the minute.
    let limit = match disk {
        Some(disk) => {
            let batch = house.batch_since(before).await?.unwrap_or(connections).max(1);
            Some((batch, disk.commits(batch, report)?))
        }
        None => None,
    };
    let count = all.times.len() as u64;
    let row = report.add("append over HTTP", connections, count, elapsed, all.times);
    row.failures = all.failures;
    if let Some((batch, per_second)) = limit {
        row.against(format!("raw commits of {batch}"), per_second);
    }
    Ok(())
}
