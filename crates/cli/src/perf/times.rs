//! How long calls took.

use std::time::Duration;

use serde::Serialize;

/// Percentiles of many calls, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Times {
    pub(super) calls: usize,
    /// Other work on the machine disturbs it the least.
    pub(super) p25: f64,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

impl Times {
    /// Returns the percentiles; of no calls there are none.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        // The smallest time that so many of 100 calls do not exceed.
        let percentile = |percent: usize| {
            let index = (times.len() * percent).div_ceil(100).checked_sub(1)?;
            Some((times.get(index)?.as_secs_f64() * 1e6).round() / 1e3)
        };
        Some(Self {
            calls: times.len(),
            p25: percentile(25)?,
            p50: percentile(50)?,
            p95: percentile(95)?,
            p99: percentile(99)?,
        })
    }
}

/// Returns a number of things as a real number.
#[expect(clippy::cast_precision_loss, reason = "nobody counts beyond 2^52")]
pub(super) fn real(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_seen() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let found = Times::of(times).unwrap();
        assert_eq!(
            (found.calls, found.p50, found.p95, found.p99),
            (200, 100.0, 190.0, 198.0)
        );
        let one = Times::of(vec![Duration::from_micros(1500)]).unwrap();
        assert_eq!((one.p25, one.p50, one.p99), (1.5, 1.5, 1.5));
        assert_eq!(Times::of(Vec::new()), None);
    }
}
