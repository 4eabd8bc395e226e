//! What a route showed in turns with pgbench.

use std::time::Duration;

use super::{Load, pgbench::Ran, processes::Spent};
use crate::perf::{tally::Tally, times::real};

/// What server and database spent so far, where that is known.
pub(super) type Both = (Option<Spent>, Option<Spent>);

/// All turns together.
#[derive(Default)]
pub(super) struct Turns {
    /// How long the requests took, without pgbench between them.
    pub(super) took: Duration,
    tally: Tally,
    /// Milliseconds of processor time.
    server: Option<f64>,
    database: Option<f64>,
    /// Requests per second of the turn just now.
    per_second: f64,
    runs: Vec<Ran>,
    ratios: Vec<f64>,
}

impl Turns {
    /// Adds a turn of requests, with what was spent before and after it.
    pub(super) fn add(&mut self, tally: Tally, took: Duration, before: Both, after: Both) {
        let spent = |before: Option<Spent>, after: Option<Spent>| Some(after?.cpu - before?.cpu);
        let sum = |sum: Option<f64>, more: Option<f64>| Some(sum.unwrap_or_default() + more?);
        self.server = sum(self.server, spent(before.0, after.0));
        self.database = sum(self.database, spent(before.1, after.1));
        self.per_second = real(tally.times.len()) / took.as_secs_f64();
        self.took += took;
        self.tally.add(tally);
    }

    /// Compares the turn with what pgbench reached right after it.
    pub(super) fn compare(&mut self, ran: Ran) {
        self.ratios.push(self.per_second / ran.per_second);
        self.runs.push(ran);
    }

    /// Returns what came of them all, with the memory that was taken in the end.
    pub(super) fn into_load(mut self, connections: usize, last: Both) -> Load {
        let calls = self.tally.times.len();
        let each = |spent: Option<f64>| {
            let spent = spent.filter(|_| calls > 0)?;
            Some((spent * 1e6 / real(calls)).round() / 1e3)
        };
        self.ratios.sort_by(f64::total_cmp);
        Load {
            server_cpu: each(self.server),
            database_cpu: each(self.database),
            server_memory: last.0.map(|spent| spent.megabytes),
            database_memory: last.1.map(|spent| spent.megabytes),
            level: self.tally.into_level(connections, self.took),
            ratio: self.ratios.get(self.ratios.len() / 2).copied(),
            pgbench: Ran::middle(self.runs),
        }
    }
}
