//! The report as lines for a terminal.

use std::fmt::Write as _;

use crate::perf::{http::Served, measured::Measured, report::Report};

impl Report {
    /// Returns all of it as text.
    pub(in crate::perf) fn to_text(&self) -> String {
        let mut text = self.facts().join("\n");
        if !self.measurements.is_empty() {
            text.push_str("\n\n");
            text.push_str(&table(&self.measurements));
            text.push_str(&levels(&self.measurements));
        }
        if let Some(http) = &self.http {
            text.push_str(&routes(http));
        }
        for measured in &self.measurements {
            for over in &measured.over {
                let _ = writeln!(text, "over budget: {}: {over}", measured.name);
            }
        }
        let failures = self
            .http
            .iter()
            .flat_map(|http| &http.routes)
            .flat_map(|route| {
                route.levels.iter().filter_map(move |load| {
                    Some((
                        route.name,
                        load.level.connections,
                        load.level.failure.as_ref()?,
                    ))
                })
            });
        for (name, connections, failure) in failures {
            let _ = writeln!(
                text,
                "failed: {name} at {connections} connections: {failure}"
            );
        }
        text.push_str(&self.verdict());
        text
    }
}

/// Writes what budgets are for, a line each.
fn table(all: &[Measured]) -> String {
    let mut text = format!(
        "{:<46} {:>4} {:>8} {:>8} {:>8}  {:>8} {:>5}  {:>8} {:>7}  {:>14}\n",
        "milliseconds",
        "conn",
        "p50",
        "p95",
        "p99",
        "bare p50",
        "ratio",
        "rows",
        "pages",
        "budget of p99"
    );
    for measured in all {
        let level = measured.judged();
        let times = level.and_then(|level| level.times);
        let [p50, p95, p99] = [
            times.map(|t| t.p50),
            times.map(|t| t.p95),
            times.map(|t| t.p99),
        ]
        .map(|t| number(t, 2));
        let (rows, pages) = measured.plan.map_or_else(Default::default, |plan| {
            (plan.rows.to_string(), plan.pages.to_string())
        });
        let _ = writeln!(
            text,
            "{:<46} {:>4} {p50:>8} {p95:>8} {p99:>8}  {:>8} {:>5}  {rows:>8} {pages:>7}  {:>14}{}",
            measured.name,
            level.map_or(0, |level| level.connections),
            number(measured.bare.map(|bare| bare.p50), 2),
            number(measured.ratio, 2),
            budget(measured),
            if measured.over.is_empty() {
                ""
            } else {
                "  OVER"
            },
        );
    }
    text
}

/// Writes how those behave that were called on many connections.
fn levels(all: &[Measured]) -> String {
    let mut text = String::new();
    for measured in all.iter().filter(|measured| measured.levels.len() > 2) {
        for level in &measured.levels {
            let (p50, p99) = level
                .times
                .map_or((None, None), |times| (Some(times.p50), Some(times.p99)));
            let _ = writeln!(
                text,
                "{:<46} {:>4} {:>8} {:>8} {:>8}  {:>8} calls a second{}",
                measured.name,
                level.connections,
                number(p50, 2),
                "",
                number(p99, 2),
                level.per_second,
                if level.failures > 0 {
                    format!(", {} failed", level.failures)
                } else {
                    String::new()
                },
            );
        }
    }
    if text.is_empty() {
        text
    } else {
        format!("\n{text}\n")
    }
}

fn routes(http: &Served) -> String {
    let mut text = format!(
        "\n\nThe server has {} connections to the database; processor time in milliseconds for 1000 requests, memory in MB.\n\
         pgbench: {}\n\n{:<32} {:>4} {:>10} {:>8} {:>8}  {:>8} {:>8} {:>7} {:>7}  {:>9} {:>6} {:>6}\n",
        http.pool,
        http.pgbench,
        "route",
        "conn",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "cpu",
        "db cpu",
        "mem",
        "db mem",
        "pgbench/s",
        "pg cpu",
        "ratio"
    );
    for route in &http.routes {
        for load in &route.levels {
            let _ = writeln!(
                text,
                "{:<32} {:>4} {:>10} {:>8} {:>8}  {:>8} {:>8} {:>7} {:>7}  {:>9} {:>6} {:>6}",
                route.name,
                load.level.connections,
                load.level.per_second,
                number(load.level.times.map(|times| times.p50), 2),
                number(load.level.times.map(|times| times.p99), 2),
                number(load.server_cpu, 0),
                number(load.database_cpu, 0),
                number(load.server_memory, 0),
                number(load.database_memory, 0),
                number(load.pgbench.map(|ran| ran.per_second), 0),
                number(load.pgbench.and_then(|ran| ran.database_cpu), 0),
                number(load.ratio, 2),
            );
        }
    }
    text
}

/// Writes the budget: what was promised, what it is held to, or the ratio.
pub(super) fn budget(measured: &Measured) -> String {
    let budget = measured.budget;
    let written: Vec<_> = [budget.promised, budget.held]
        .into_iter()
        .flatten()
        .map(|limit| format!("{limit}"))
        .collect();
    match budget.ratio {
        Some(ratio) => format!("ratio {ratio}"),
        None => written.join(" / "),
    }
}

/// Writes a number, or nothing when there is none.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value
        .map(|value| format!("{value:.digits$}"))
        .unwrap_or_default()
}
