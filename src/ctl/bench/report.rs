//! What a run found, as a table or as JSON.

use std::time::Duration;

use serde::Serialize;

use super::samples::{Samples, rate};
use crate::ctl::{CtlError, output::Out, table::Columns};

/// All that was measured, in the order of measuring.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// One thing that was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) what: String,
    /// How many at once.
    pub(crate) width: usize,
    pub(crate) count: u64,
    pub(crate) failures: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) max_ms: Option<f64>,
    /// The limit that it is held against, and what share of it was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<Limit>,
    /// Whose row it is, if not the server's under test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rival: Option<Beside>,
}

/// Another server that did the same in the same run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Beside {
    pub(crate) name: String,
    /// How many times better the server under test is; absent if one of them did nothing.
    pub(crate) ours_times: Option<f64>,
    pub(crate) by: By,
}

/// What servers are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// More per second is better.
    PerSecond,
    /// A shorter 99th percentile is better.
    P99,
}

/// The best that could be.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Limit {
    pub(crate) what: String,
    pub(crate) per_second: f64,
    pub(crate) share: f64,
}

impl Report {
    /// Notes what `count` operations in `elapsed` took.
    pub(crate) fn add(
        &mut self,
        what: &str,
        width: usize,
        count: u64,
        elapsed: Duration,
        mut times: Samples,
    ) -> &mut Row {
        let [p50, p99, max] = match times.percentiles_ms([50.0, 99.0, 100.0]) {
            Some(all) => all.map(Some),
            None => [None; 3],
        };
        self.rows.push(Row {
            what: what.to_owned(),
            width,
            count,
            failures: 0,
            per_second: rate(count, elapsed),
            p50_ms: p50,
            p99_ms: p99,
            max_ms: max,
            limit: None,
            rival: None,
        });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    /// Notes how many millions of bytes went through.
    #[expect(clippy::cast_precision_loss, reason = "bytes of a benchmark are far below 2^53")]
    pub(crate) fn megabytes(
        &mut self,
        what: &str,
        width: usize,
        bytes: u64,
        elapsed: Duration,
        times: Samples,
    ) -> &mut Row {
        let row = self.add(what, width, bytes / 1_000_000, elapsed, times);
        // From the bytes: the count was cut.
        row.per_second = bytes as f64 / 1e6 / elapsed.as_secs_f64().max(1e-9);
        row
    }

    /// Everything that went wrong.
    pub(crate) fn failures(&self) -> u64 {
        self.rows.iter().map(|row| row.failures).sum()
    }

    pub(crate) fn print(&self, out: &mut Out<'_>) -> Result<(), CtlError> {
        if out.look.json {
            return self.rows.iter().try_for_each(|row| out.json(row));
        }
        let mut table = Columns::new(
            out,
            &["WHAT", "AT ONCE", "PER SECOND", "P50 MS", "P99 MS", "MAX MS", "FAILED", "HELD AGAINST"],
        );
        for row in &self.rows {
            let ms = |value: Option<f64>| value.map(|ms| format!("{ms:.2}")).unwrap_or_default();
            let what = match &row.rival {
                Some(rival) => format!("{} ({})", row.what, rival.name),
                None => row.what.clone(),
            };
            table.row([
                what,
                row.width.to_string(),
                format!("{:.0}", row.per_second),
                ms(row.p50_ms),
                ms(row.p99_ms),
                ms(row.max_ms),
                row.failures.to_string(),
                row.held_against(),
            ]);
        }
        table.print(out, "nothing was measured")
    }
}

impl Row {
    /// Holds the row against a limit.
    pub(crate) fn against(&mut self, what: String, per_second: f64) {
        let share = if per_second > 0.0 { self.per_second / per_second } else { 0.0 };
        self.limit = Some(Limit { what, per_second, share });
    }

    /// Says that it is a rival's row, beside what ours says of the same.
    pub(crate) fn beside(&mut self, name: &str, ours: &Self, by: By) {
        let (better, worse) = match by {
            By::PerSecond => (Some(ours.per_second), Some(self.per_second)),
            By::P99 => (self.p99_ms, ours.p99_ms),
        };
        let some = |value: Option<f64>| value.filter(|value| *value > 0.0);
        let ours_times = some(better).zip(some(worse)).map(|(better, worse)| better / worse);
        self.rival = Some(Beside { name: name.to_owned(), ours_times, by });
    }

    fn held_against(&self) -> String {
        let limit = self.limit.as_ref().map(|limit| format!("{:.0} % of {}", limit.share * 100.0, limit.what));
        let rival = self.rival.as_ref().and_then(|rival| {
            let times = rival.ours_times?;
            Some(match rival.by {
                By::PerSecond => format!("ours is {times:.2} times as fast"),
                By::P99 => format!("ours is {times:.2} times as fast at its p99"),
            })
        });
        [limit, rival].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(per_second: u64, p99_ms: u64) -> Row {
        let mut times = Samples::default();
        times.add(Duration::from_millis(p99_ms));
        Report::default().add("x", 1, per_second, Duration::from_secs(1), times).clone()
    }

    #[test]
    fn a_rival_is_compared_by_what_is_better() {
        let ours = row(300, 4);
        let mut theirs = row(100, 10);
        theirs.beside("other", &ours, By::PerSecond);
        assert_eq!(theirs.held_against(), "ours is 3.00 times as fast");
        theirs.beside("other", &ours, By::P99);
        theirs.against("the wire".to_owned(), 400.0);
        assert_eq!(theirs.held_against(), "25 % of the wire; ours is 2.50 times as fast at its p99");
        let mut nothing = row(0, 0);
        nothing.beside("other", &ours, By::PerSecond);
        assert_eq!((nothing.held_against().as_str(), nothing.rival.and_then(|rival| rival.ours_times)), ("", None));
    }

    #[test]
    fn megabytes_are_not_cut_before_they_are_divided() {
        let mut report = Report::default();
        let row = report.megabytes("x", 1, 1_500_000, Duration::from_millis(500), Samples::default());
        assert!((row.per_second - 3.0).abs() < 1e-9 && row.count == 1, "{row:?}");
    }
}
