//! What a measurement showed.

use serde::Serialize;

use super::{
    budget::{Budget, MOST_READ},
    plan::Plan,
    tally::Level,
    times::Times,
};

/// What a measurement showed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) budget: Budget,
    /// The number of connections whose times the budget is for.
    pub(super) judged_at: usize,
    pub(super) levels: Vec<Level>,
    /// The same statements without pool and driver, on one connection.
    pub(super) bare: Option<Times>,
    /// What one connection takes in the lower quartile, measured by what the bare statements take.
    pub(super) ratio: Option<f64>,
    pub(super) plan: Option<Plan>,
    /// What is over the budget, in words.
    pub(super) over: Vec<String>,
}

impl Measured {
    /// Returns the level that the budget is for.
    pub(super) fn judged(&self) -> Option<&Level> {
        let judged = self
            .levels
            .iter()
            .find(|level| level.connections == self.judged_at);
        judged.or(self.levels.last())
    }

    pub(super) fn new(name: &str, budget: Budget, judged_at: usize) -> Self {
        Self {
            name: name.to_owned(),
            budget,
            judged_at,
            levels: Vec::new(),
            bare: None,
            ratio: None,
            plan: None,
            over: Vec::new(),
        }
    }

    /// Adds what is over the budget.
    pub(super) fn judge(&mut self) {
        let mut over = Vec::new();
        if let Some(times) = self.judged().and_then(|level| level.times) {
            over.extend(self.budget.exceeded(&times, self.ratio));
        }
        for level in &self.levels {
            if let Some(failure) = &level.failure {
                over.push(format!(
                    "{} calls failed at {} connections: {failure}",
                    level.failures, level.connections
                ));
            }
        }
        if let Some(plan) = self.plan.filter(|plan| !plan.is_bounded()) {
            let Plan { rows, pages } = plan;
            over.push(format!("{rows} rows and {pages} pages were read, more than {MOST_READ}: in proportion to the table"));
        }
        self.over.extend(over);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::perf::{budget::LOOKUP, tally::Tally};

    fn level(connections: usize, milliseconds: u64, failures: &[&str]) -> Level {
        let tally = Tally {
            times: vec![Duration::from_millis(milliseconds)],
            rows: 1,
            failures: failures.iter().map(ToString::to_string).collect(),
        };
        tally.into_level(connections, Duration::from_secs(1))
    }

    #[test]
    fn times_count_where_they_are_judged_and_failures_everywhere() {
        let mut measured = Measured::new("x", LOOKUP, 10);
        measured.levels = vec![level(1, 1, &[]), level(10, 2, &[]), level(50, 99, &[])];
        measured.judge();
        assert_eq!(measured.over, [""; 0]);
        measured.levels = vec![level(10, 1, &[]), level(50, 1, &["gone", "gone again"])];
        measured.judge();
        assert_eq!(measured.over, ["2 calls failed at 50 connections: gone"]);
    }

    #[test]
    fn what_reads_in_proportion_to_the_table_is_over_however_fast() {
        let mut measured = Measured::new("x", LOOKUP, 10);
        measured.levels = vec![level(1, 1, &[])];
        measured.plan = Some(Plan {
            rows: MOST_READ + 1,
            pages: 1,
        });
        measured.judge();
        assert!(
            measured.over[0].ends_with("in proportion to the table"),
            "{:?}",
            measured.over
        );
    }
}
