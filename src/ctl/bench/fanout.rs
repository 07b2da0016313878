//! From an append to each of many followers of the same session, or of the same stream.
//!
//! The time runs from before the append is sent until the follower has read it, so it holds the commit, and the reading
//! of all followers by one client on the same machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};

use super::{
    house::House,
    http::{Connection, find},
    load::{MARK, Template},
    report::Report,
    samples::Samples,
    target::Target,
};
use crate::ctl::CtlError;

/// Appends per second: people and agents write at this pace, and the queue of one is empty before the next.
const PER_SECOND: u64 = 50;
/// What did not arrive so long after the last append is lost.
const LAST_MAX: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) times: Samples,
    pub(crate) failures: u64,
    pub(crate) elapsed: Duration,
}

pub(crate) async fn measure(
    house: &mut House<'_>,
    subscribers: usize,
    duration: Duration,
    report: &mut Report,
) -> Result<(), CtlError> {
    let session = house.session().await?;
    let latest = house.latest(session).await?;
    let request = house.target.follow(&format!("/api/v1/sessions/{session}/events?after={latest}"));
    let template = Template::messages(house.target, session, 1)?;
    let spread = spread(house.target, &request, template, subscribers, duration).await?;
    let arrived = spread.times.len() as u64;
    let row = report.add("append seen by every follower", subscribers, arrived, spread.elapsed, spread.times);
    row.failures = spread.failures;
    Ok(())
}

/// Opens so many followers with this request and appends at an even pace.
pub(crate) async fn spread(
    target: &Target,
    request: &[u8],
    mut template: Template,
    subscribers: usize,
    duration: Duration,
) -> Result<Spread, CtlError> {
    let appends = usize::try_from(duration.as_secs() * PER_SECOND).unwrap_or(usize::MAX);
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..appends).map(|_| AtomicU64::new(0)).collect());
    let start = Instant::now();
    let mut followers = JoinSet::new();
    for _ in 0..subscribers {
        let mut connection = target.connect().await?;
        let status = connection.open_stream(request).await?;
        if status != 200 {
            return Err(CtlError::failed(format!("a follower was answered {status}")));
        }
        followers.spawn(follow(connection, Arc::clone(&sent), start));
    }
    let mut author = target.connect().await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / PER_SECOND));
    let mut failures = 0;
    let began = Instant::now();
    for (number, at) in sent.iter().enumerate() {
        ticks.tick().await;
        at.store(nanos(start), Ordering::Relaxed);
        let answer = author.call(template.number(number as u64)).await?;
        failures += u64::from(!answer.is_success());
    }
    let elapsed = began.elapsed();
    let mut times = Samples::default();
    while let Some(done) = followers.join_next().await {
        times.merge(done.map_err(CtlError::failed)?);
    }
    failures += (appends as u64 * subscribers as u64).saturating_sub(times.len() as u64);
    Ok(Spread { times, failures, elapsed })
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Reads until all appends have come, or until nothing more does.
async fn follow(mut connection: Connection, sent: Arc<Vec<AtomicU64>>, start: Instant) -> Samples {
    let mut times = Samples::default();
    let mut scanner = Scanner::default();
    while times.len() < sent.len() {
        let Ok(Ok(bytes)) = timeout(LAST_MAX, connection.next_bytes()).await else { break };
        if bytes.is_empty() {
            break;
        }
        let now = nanos(start);
        scanner.push(bytes, |number| {
            let at = usize::try_from(number).ok().and_then(|number| sent.get(number));
            let at = at.map_or(now, |at| at.load(Ordering::Relaxed));
            times.add(Duration::from_nanos(now.saturating_sub(at)));
        });
    }
    times
}

/// Finds the numbers of our messages in bytes as they come. A frame is written at once, so that a chunk's size never
/// stands inside a number; a cut between two reads may be anywhere.
#[derive(Debug, Default)]
struct Scanner {
    kept: Vec<u8>,
}

impl Scanner {
    const WIDTH: usize = MARK.len() + 12;

    fn push(&mut self, bytes: &[u8], mut each: impl FnMut(u64)) {
        self.kept.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = find(&self.kept[from..], MARK.as_bytes()) {
            let at = from + at;
            let Some(digits) = self.kept.get(at + MARK.len()..at + Self::WIDTH) else { break };
            from = at + MARK.len();
            let number = std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
            number.into_iter().for_each(&mut each);
        }
        // Only a number that is not whole yet can begin in the last bytes.
        let done = self.kept.len().saturating_sub(Self::WIDTH - 1).max(from);
        self.kept.drain(..done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_once_wherever_the_bytes_are_cut() {
        let text = b"data: {\"uuid\":\"a-8bec-000000000001\"}\n\ndata: -8bec--8bec-00000000000f-8bec-zz0000000000 end";
        for cut in 0..text.len() {
            let mut found = Vec::new();
            let mut scanner = Scanner::default();
            scanner.push(&text[..cut], |number| found.push(number));
            scanner.push(&text[cut..], |number| found.push(number));
            assert_eq!(found, [1, 15], "cut at {cut}");
        }
    }
}
