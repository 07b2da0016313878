//! Reading a long history over one connection: in pages, and as a stream.

use std::time::Instant;

use super::{house::House, load::Template, report::Report, samples::Samples};
use crate::{
    ctl::CtlError,
    domain::{SessionId, limits},
};

/// Messages in one request of the filling; workers send as many.
const FILL_MESSAGES: usize = 500;

pub(crate) async fn measure(house: &mut House<'_>, events: u64, report: &mut Report) -> Result<(), CtlError> {
    let session = house.session().await?;
    let mut connection = house.target.connect().await?;
    let mut template = Template::messages(house.target, session, FILL_MESSAGES)?;
    for number in 0..events.div_ceil(FILL_MESSAGES as u64) {
        let answer = connection.call(template.number(number)).await?;
        if !answer.is_success() {
            let words = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(CtlError::failed(format!("filling the history was answered {}: {words}", answer.status)));
        }
    }
    let latest = house.latest(session).await?;
    pages(house, session, latest, report).await?;
    stream(house, session, latest, report).await
}

async fn pages(house: &House<'_>, session: SessionId, latest: u64, report: &mut Report) -> Result<(), CtlError> {
    let mut connection = house.target.connect().await?;
    let mut times = Samples::default();
    let mut after = 0;
    let start = Instant::now();
    while after < latest {
        let path = format!("/api/v1/sessions/{session}/events?after={after}&limit={}", limits::PAGE_ITEMS_MAX);
        let before = Instant::now();
        let answer = connection.call(&house.target.request("GET", &path, "")).await?;
        times.add(before.elapsed());
        let next = next_of(&answer.body).filter(|next| *next > after && answer.is_success());
        after = next.ok_or_else(|| CtlError::failed(format!("no page after {after}: status {}", answer.status)))?;
    }
    report.add("history in pages, events", 1, latest, start.elapsed(), times);
    Ok(())
}

/// The member `next`, which stands behind all events. Parsing a page would cost more than serving it.
fn next_of(body: &[u8]) -> Option<u64> {
    const MEMBER: &[u8] = b"\"next\":";
    let at = body.windows(MEMBER.len()).rposition(|window| window == MEMBER)?;
    let digits = body[at + MEMBER.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|byte| char::from(*byte)).collect::<String>().parse().ok()
}

async fn stream(house: &House<'_>, session: SessionId, latest: u64, report: &mut Report) -> Result<(), CtlError> {
    let mut connection = house.target.connect().await?;
    let request = house.target.follow(&format!("/api/v1/sessions/{session}/events?after=0"));
    let start = Instant::now();
    let status = connection.open_stream(&request).await?;
    let mut counter = IdCounter::default();
    while counter.count < latest {
        let bytes = connection.next_bytes().await?;
        if bytes.is_empty() || status != 200 {
            return Err(CtlError::failed(format!("the stream ended after {} events: status {status}", counter.count)));
        }
        counter.push(bytes);
    }
    report.add("history as a stream, events", 1, latest, start.elapsed(), Samples::default());
    Ok(())
}

/// Counts lines that begin with `id:`, wherever the bytes are cut.
#[derive(Debug, Default)]
struct IdCounter {
    count: u64,
    /// How much of `\nid:` the last bytes were.
    matched: usize,
}

impl IdCounter {
    const LINE: &[u8] = b"\nid:";

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == Self::LINE[self.matched] {
                self.matched += 1;
                if self.matched == Self::LINE.len() {
                    self.count += 1;
                    self.matched = 0;
                }
            } else {
                self.matched = usize::from(*byte == b'\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_counted_wherever_the_bytes_are_cut() {
        let text = b"1f\r\nid: 1\ndata: x id: no\n\n\n20\r\nid: 2\nidea\n";
        for cut in 0..text.len() {
            let mut counter = IdCounter::default();
            counter.push(&text[..cut]);
            counter.push(&text[cut..]);
            assert_eq!(counter.count, 2, "cut at {cut}");
        }
    }

    #[test]
    fn the_next_page_is_read_from_the_end() {
        let body = br#"{"events":[{"payload":{"next":5}}],"next":17,"latest":20,"earliest":1,"epoch":"0"}"#;
        assert_eq!(next_of(body), Some(17));
        assert_eq!(next_of(b"{}"), None);
    }
}
