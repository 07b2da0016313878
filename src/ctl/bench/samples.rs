//! Times that were measured, and what is said of them.

use std::time::Duration;

/// Times of one sort, in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    micros: Vec<u32>,
}

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.micros.extend(other.micros);
    }

    pub(crate) fn len(&self) -> usize {
        self.micros.len()
    }

    /// The time that so many of a hundred did not exceed, in milliseconds; `None` without samples. Sorts in place.
    pub(crate) fn percentiles_ms<const N: usize>(&mut self, wanted: [f64; N]) -> Option<[f64; N]> {
        self.micros.sort_unstable();
        let last = self.micros.len().checked_sub(1)?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index below 2^32, from a share between 0 and 100"
        )]
        let at = |percent: f64| ((last as f64 * percent / 100.0).ceil() as usize).min(last);
        Some(wanted.map(|percent| f64::from(self.micros[at(percent)]) / 1_000.0))
    }
}

/// How many per second.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench run are far below 2^53")]
pub(crate) fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_samples_and_rounded_up() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentiles_ms([50.0]), None);
        (1..=100).rev().for_each(|ms| samples.add(Duration::from_millis(ms)));
        assert_eq!(samples.percentiles_ms([0.0, 50.0, 99.0, 100.0]), Some([1.0, 51.0, 100.0, 100.0]));
        assert!((rate(500, Duration::from_millis(250)) - 2_000.0).abs() < 1e-6);
    }
}
