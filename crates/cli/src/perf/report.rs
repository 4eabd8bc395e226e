//! What was measured, where, and whether it is within its budget.

use std::{collections::BTreeMap, num::NonZero, thread};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use usher_domain::Clock;

use super::{http::Served, load::Loaded, measured::Measured, people::Term, place::ServerFacts};

mod chart;
mod html;
mod text;

/// Everything that is told at the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) made_at: String,
    pub(super) version: &'static str,
    /// `release` or `debug`.
    pub(super) build: &'static str,
    pub(super) processors: usize,
    /// How many processes wanted a processor in the minute before, where that is known.
    pub(super) load_before: Option<f64>,
    pub(super) database: String,
    pub(super) server: Option<ServerFacts>,
    pub(super) data: Loaded,
    /// What is searched for, and the share of users who have it.
    pub(super) terms: BTreeMap<&'static str, f64>,
    pub(super) budget_factor: f64,
    pub(super) measurements: Vec<Measured>,
    pub(super) http: Option<Served>,
    pub(super) is_within_budget: bool,
}

impl Report {
    pub(super) fn new(
        database: String,
        data: Loaded,
        budget_factor: f64,
        load_before: Option<f64>,
    ) -> Self {
        const TERMS: [Term; 7] = [
            Term::Everywhere,
            Term::Common,
            Term::Middling,
            Term::Rare,
            Term::Absent,
            Term::TwoWords,
            Term::TwoLetters,
        ];
        let now: OffsetDateTime = Clock::default().now();
        Self {
            made_at: now
                .replace_nanosecond(0)
                .unwrap_or(now)
                .format(&Rfc3339)
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            processors: thread::available_parallelism().map_or(1, NonZero::get),
            load_before,
            database,
            server: None,
            data,
            terms: TERMS
                .iter()
                .map(|term| (term.text(), term.share()))
                .collect(),
            budget_factor,
            measurements: Vec::new(),
            http: None,
            is_within_budget: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.measurements.is_empty() && self.http.as_ref().is_none_or(|http| http.routes.is_empty())
    }

    /// Adds what is known of the server, and decides.
    pub(super) fn finish(&mut self, server: ServerFacts) {
        self.server = Some(server);
        let loads = self
            .http
            .iter()
            .flat_map(|http| &http.routes)
            .flat_map(|route| &route.levels);
        let has_failed = loads
            .map(|load| load.level.failures)
            .any(|failures| failures > 0);
        self.is_within_budget = !has_failed
            && self
                .measurements
                .iter()
                .all(|measured| measured.over.is_empty());
    }

    /// Says in some lines where it was measured.
    fn facts(&self) -> Vec<String> {
        let terms = self
            .terms
            .iter()
            .map(|(text, share)| format!("{text} {:.3} %", share * 100.0));
        let terms = terms.collect::<Vec<_>>().join(", ");
        let mut facts = vec![
            format!(
                "usher {} ({} build) on {} processors, {}",
                self.version, self.build, self.processors, self.made_at
            ),
            self.data.to_string(),
        ];
        facts.extend(self.server.iter().flat_map(ServerFacts::lines));
        facts.push(format!("shares of users with a search term: {terms}"));
        facts.extend(self.reservations());
        facts
    }

    /// Says what keeps the figures from being those of the product.
    fn reservations(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.build == "debug" {
            all.push("A debug build is several times slower: these figures say little.".to_owned());
        }
        if let Some(load) = self.load_before.filter(|load| *load > 0.5) {
            all.push(format!("Other work wanted {load} processors before: these figures are worse than the product."));
        }
        if (self.budget_factor - 1.0).abs() > f64::EPSILON {
            all.push(format!(
                "Every budget is multiplied by {}.",
                self.budget_factor
            ));
        }
        all
    }

    fn verdict(&self) -> String {
        let over = self
            .measurements
            .iter()
            .filter(|measured| !measured.over.is_empty())
            .count();
        match (self.is_within_budget, over) {
            (true, _) => "all is within its budget".to_owned(),
            (false, 0) => "some requests failed".to_owned(),
            (false, over) => format!("{over} of {} are over budget", self.measurements.len()),
        }
    }
}

/// Returns how many processes wanted a processor in the last minute, where Linux tells it.
pub(super) fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}
