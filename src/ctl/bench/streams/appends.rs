//! Durable appends to streams, round robin over a few of them, one at a time on each connection.

use super::{APPEND_BYTES, Plan, TURN, comparison::Comparison, loopback::Loopback, server::Server};
use crate::ctl::{
    CtlError,
    bench::{
        append::{Done, Lanes, limit},
        house::House,
        load::{Load, Template},
        raw::Disk,
        report::Report,
    },
    output,
};

/// Streams that are appended to: few enough to meet on one, enough for a server that works on several at once.
const STREAMS: usize = 16;
const MEDIA: &str = "application/octet-stream";

pub(super) async fn measure(
    house: &mut House<'_>,
    servers: &mut [Server],
    plan: &Plan<'_>,
    mut disk: Option<&mut Disk>,
    report: &mut Report,
) -> Result<(), CtlError> {
    let mut templates = Vec::with_capacity(servers.len());
    for server in servers.iter_mut() {
        let mut own = Vec::with_capacity(STREAMS);
        for _ in 0..STREAMS {
            let path = server.stream(MEDIA).await?;
            own.push(Template::append(&server.target, &path, MEDIA, APPEND_BYTES)?);
        }
        templates.push(own);
    }
    for connections in plan.connections.iter().copied() {
        output::note(&format!("appending to streams over {connections} connections ..."));
        client(connections, report).await?;
        let mut lanes = Vec::with_capacity(servers.len());
        for (server, templates) in servers.iter().zip(&templates) {
            let loads = (0..connections).map(|lane| Load::in_turn(templates.clone(), lane));
            lanes.push(Lanes::open(&server.target, loads).await?);
        }
        let mut done: Vec<Done> = servers.iter().map(|_| Done::default()).collect();
        let before = house.tail().await?;
        for _ in 0..plan.turns() {
            for (lanes, done) in lanes.iter_mut().zip(&mut done) {
                done.merge(lanes.run(TURN).await?);
            }
        }
        let limit = limit(house, before, disk.as_deref_mut(), report).await?;
        let mut comparison = Comparison::by_rate("append to a stream over HTTP", connections);
        for (server, done) in servers.iter().zip(done) {
            let count = done.times.len() as u64;
            let row = report.add(comparison.what, comparison.width, count, done.elapsed, done.times);
            row.failures = done.failures;
            if let (Some((batch, per_second)), None) = (limit, &server.rival) {
                row.against(format!("raw commits of {batch}"), per_second);
            }
            comparison.place(server, row);
        }
    }
    Ok(())
}

/// What this client can send at best: a server that came near that would be faster than it could be seen to be.
async fn client(connections: usize, report: &mut Report) -> Result<(), CtlError> {
    let nothing = Loopback::start(0)?;
    let target = nothing.target()?;
    let template = Template::append(&target, "/", MEDIA, APPEND_BYTES)?;
    let loads = (0..connections).map(|_| Load::one(template.clone()));
    let done = Lanes::open(&target, loads).await?.run(TURN).await?;
    let row = report.add(
        "append to a server that does nothing",
        connections,
        done.times.len() as u64,
        done.elapsed,
        done.times,
    );
    row.failures = done.failures;
    Ok(())
}
