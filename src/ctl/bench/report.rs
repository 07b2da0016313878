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
        });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
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
            &["WHAT", "AT ONCE", "PER SECOND", "P50 MS", "P99 MS", "MAX MS", "FAILED", "OF THE LIMIT"],
        );
        for row in &self.rows {
            let ms = |value: Option<f64>| value.map(|ms| format!("{ms:.2}")).unwrap_or_default();
            let limit = row.limit.as_ref().map(|limit| format!("{:.0} % of {}", limit.share * 100.0, limit.what));
            table.row([
                row.what.clone(),
                row.width.to_string(),
                format!("{:.0}", row.per_second),
                ms(row.p50_ms),
                ms(row.p99_ms),
                ms(row.max_ms),
                row.failures.to_string(),
                limit.unwrap_or_default(),
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
}
