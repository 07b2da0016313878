//! Durable appends over HTTP: many connections, one event per request, the next one when the last was answered.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    house::{House, Template},
    http::Target,
    raw::{GROUP_COMMIT, ONE_COMMIT},
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
    report: &mut Report,
) -> Result<(), CtlError> {
    let session = house.session().await?;
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
    let (limit, name) = match connections {
        1 => (report.per_second(ONE_COMMIT, 1), ONE_COMMIT),
        _ => (report.per_second(GROUP_COMMIT, connections), "raw group commit"),
    };
    let count = all.times.len() as u64;
    let row = report.add("append over HTTP", connections, count, elapsed, all.times);
    row.failures = all.failures;
    row.against(name, limit);
    Ok(())
}
