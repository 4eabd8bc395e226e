//! The report as one page that needs nothing from elsewhere: no script, no style, no font.

use std::fmt::Write as _;

use super::{
    chart::{Bar, Line, bars, escaped, lines},
    text::{budget, number},
};
use crate::perf::{http::Served, measured::Measured, report::Report, tally::Level};

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; width: 100%; }
th, td { text-align: right; padding: .15rem .5rem; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
tr.over td { color: #c53030; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: currentColor; }
.grid { stroke: #8883; }
line.bar { stroke: #2b6cb0; stroke-width: 4; } circle.bar { fill: #2b6cb0; }
line.over { stroke: #c53030; stroke-width: 4; } circle.over { fill: #c53030; }
.budget { stroke: currentColor; stroke-width: 2; }
";

impl Report {
    /// Returns all of it as a page.
    pub(in crate::perf) fn to_html(&self) -> String {
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>usher perf</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>usher perf: {}</h1>\n",
            escaped(&self.verdict())
        );
        for fact in self.facts() {
            let _ = writeln!(page, "<p>{}</p>", escaped(&fact));
        }
        if !self.measurements.is_empty() {
            calls(&mut page, &self.measurements);
        }
        if let Some(http) = &self.http {
            routes(&mut page, http);
        }
        page + "</body>\n</html>\n"
    }
}

fn calls(page: &mut String, all: &[Measured]) {
    let drawn: Vec<_> = all.iter().filter_map(bar).collect();
    let _ = writeln!(
        page,
        "<h2>Calls: median, 95th and 99th percentile; the stroke is the budget</h2>\n{}",
        bars(&drawn)
    );
    let many = all
        .iter()
        .filter(|measured| measured.levels.len() > 2)
        .map(|measured| Line {
            name: measured.name.clone(),
            points: measured
                .levels
                .iter()
                .filter_map(|level| Some((level.connections, level.times?.p99)))
                .collect(),
        });
    let many: Vec<_> = many.collect();
    if !many.is_empty() {
        let _ = writeln!(
            page,
            "<h2>99th percentile over connections</h2>\n{}",
            lines(&many, "ms")
        );
    }
    let heads = [
        "call",
        "connections",
        "p50",
        "p95",
        "p99",
        "a second",
        "bare p50",
        "ratio",
        "rows read",
        "pages read",
        "budget",
    ];
    let rows = all.iter().flat_map(|measured| {
        measured
            .levels
            .iter()
            .map(move |level| row(measured, level))
    });
    table(page, &heads, rows);
    let reasons = reasons(all);
    if !reasons.is_empty() {
        let _ = writeln!(page, "<ul>\n{}</ul>", reasons.concat());
    }
}

/// Writes what is over its budget, an item each.
fn reasons(all: &[Measured]) -> Vec<String> {
    let said = all.iter().flat_map(|measured| {
        let over = measured.over.iter();
        over.map(|over| format!("{}: over budget: {over}", measured.name))
    });
    said.map(|reason| format!("<li>{}</li>\n", escaped(&reason)))
        .collect()
}

/// Returns the cells of a level; the one that the budget is for has more of them.
fn row(measured: &Measured, level: &Level) -> (bool, Vec<String>) {
    let is_judged = measured
        .judged()
        .is_some_and(|judged| judged.connections == level.connections);
    let mut cells = vec![measured.name.clone(), level.connections.to_string()];
    let percentiles = level.times.map_or([None; 3], |times| {
        [times.p50, times.p95, times.p99].map(Some)
    });
    cells.extend(percentiles.map(|time| number(time, 2)));
    cells.push(level.per_second.to_string());
    if is_judged {
        let read = measured.plan.map_or_else(Default::default, |plan| {
            [plan.rows, plan.pages].map(|read| read.to_string())
        });
        cells.push(number(measured.bare.map(|bare| bare.p50), 2));
        cells.push(number(measured.ratio, 2));
        cells.extend(read);
        cells.push(budget(measured));
    }
    (is_judged && !measured.over.is_empty(), cells)
}

fn bar(measured: &Measured) -> Option<Bar> {
    let times = measured.judged()?.times?;
    let budget = measured.budget;
    Some(Bar {
        name: measured.name.clone(),
        times: [times.p50, times.p95, times.p99],
        budget: budget.held.or(budget.promised),
        is_over: !measured.over.is_empty(),
    })
}

fn routes(page: &mut String, http: &Served) {
    let drawn = http.routes.iter().map(|route| Line {
        name: route.name.to_owned(),
        points: route
            .levels
            .iter()
            .map(|load| (load.level.connections, load.level.per_second))
            .collect(),
    });
    let drawn: Vec<_> = drawn.collect();
    let _ = writeln!(
        page,
        "<h2>Requests a second over connections</h2>\n{}<p>The server has {} connections to the database. Processor time is \
         in milliseconds for 1000 requests, memory in MB. pgbench: {}</p>",
        lines(&drawn, "/s"),
        http.pool,
        escaped(&http.pgbench)
    );
    let heads = [
        "route",
        "connections",
        "a second",
        "p50",
        "p95",
        "p99",
        "failed",
        "server cpu",
        "database cpu",
        "server memory",
        "database memory",
        "pgbench a second",
        "database cpu of pgbench",
        "ratio",
    ];
    let rows = http.routes.iter().flat_map(|route| {
        route.levels.iter().map(|load| {
            let cells = vec![
                route.name.to_owned(),
                load.level.connections.to_string(),
                load.level.per_second.to_string(),
                number(load.level.times.map(|times| times.p50), 2),
                number(load.level.times.map(|times| times.p95), 2),
                number(load.level.times.map(|times| times.p99), 2),
                load.level.failures.to_string(),
                number(load.server_cpu, 0),
                number(load.database_cpu, 0),
                number(load.server_memory, 0),
                number(load.database_memory, 0),
                number(load.pgbench.map(|ran| ran.per_second), 0),
                number(load.pgbench.and_then(|ran| ran.database_cpu), 0),
                number(load.ratio, 2),
            ];
            (load.level.failures > 0, cells)
        })
    });
    table(page, &heads, rows);
}

fn table(page: &mut String, heads: &[&str], rows: impl Iterator<Item = (bool, Vec<String>)>) {
    let heads: Vec<_> = heads
        .iter()
        .map(|head| format!("<th>{head}</th>"))
        .collect();
    let _ = writeln!(page, "<table>\n<tr>{}</tr>", heads.concat());
    for (is_over, cells) in rows {
        let cells: Vec<_> = cells
            .iter()
            .map(|cell| format!("<td>{}</td>", escaped(cell)))
            .collect();
        let class = if is_over { " class=\"over\"" } else { "" };
        let _ = writeln!(page, "<tr{class}>{}</tr>", cells.concat());
    }
    page.push_str("</table>\n");
}
