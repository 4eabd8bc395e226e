//! Calls as they come back.

use std::time::Duration;

use serde::Serialize;

use super::times::{Times, real};

/// What came of some calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) times: Vec<Duration>,
    /// The rows of all calls together.
    pub(super) rows: usize,
    pub(super) failures: Vec<String>,
}

/// Calls on a number of connections at once.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Level {
    pub(super) connections: usize,
    #[serde(flatten)]
    pub(super) times: Option<Times>,
    pub(super) per_second: f64,
    pub(super) failures: usize,
    /// The first of them.
    pub(super) failure: Option<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.rows += other.rows;
        self.failures.extend(other.failures);
    }

    /// Adds up what took so long.
    pub(super) fn into_level(self, connections: usize, took: Duration) -> Level {
        Level {
            connections,
            per_second: (real(self.times.len()) / took.as_secs_f64().max(1e-6)).round(),
            times: Times::of(self.times),
            failures: self.failures.len(),
            failure: self.failures.into_iter().next(),
        }
    }
}
