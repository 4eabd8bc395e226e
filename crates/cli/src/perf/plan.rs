//! What the server reads to answer a statement.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::{budget::MOST_READ, recorder::Recorder, wire::Request};

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Plan {
    /// Rows of tables and entries of indexes, also those that turned out not to be wanted.
    pub(super) rows: u64,
    pub(super) pages: u64,
}

impl Plan {
    /// Has a statement explained while it runs with its values.
    pub(super) async fn of(recorder: &Recorder, request: &Request) -> Result<Self> {
        let explained = request.as_text(&format!(
            "explain (analyze, buffers, timing off, format json) {}",
            request.text
        ));
        let answer = recorder.say(&explained).await?;
        let text = answer
            .first
            .into_iter()
            .next()
            .flatten()
            .context("the server explains nothing")?;
        let plan: Value = serde_json::from_str(&text)?;
        let plan = plan
            .pointer("/0/Plan")
            .context("the server explains in an unknown form")?;
        let pages = ["Shared Hit Blocks", "Shared Read Blocks"].map(|name| number(plan, name));
        Ok(Self {
            rows: rows(plan),
            pages: pages.iter().sum(),
        })
    }

    /// Tells whether that is little, whatever the size of the table.
    pub(super) fn is_bounded(self) -> bool {
        self.rows <= MOST_READ && self.pages <= MOST_READ
    }
}

/// Adds up what the nodes read that look into a table or an index.
fn rows(plan: &Value) -> u64 {
    let inner = plan["Plans"]
        .as_array()
        .into_iter()
        .flatten()
        .map(rows)
        .sum::<u64>();
    if plan.get("Relation Name").is_none() && plan.get("Index Name").is_none() {
        return inner;
    }
    let names = [
        "Actual Rows",
        "Rows Removed by Filter",
        "Rows Removed by Index Recheck",
    ];
    let each: u64 = names.iter().map(|name| number(plan, name)).sum();
    inner + each * number(plan, "Actual Loops")
}

/// Reads a number; from version 18 on the rows of a loop are an average.
fn number(plan: &Value, name: &str) -> u64 {
    let text = plan[name].to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_more = fraction.bytes().any(|digit| digit != b'0');
    whole.parse::<u64>().unwrap_or_default() + u64::from(is_more)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_looked_at_counts_as_read() {
        let scan = |more: Value| {
            let mut scan = json!({
                "Relation Name": "users", "Actual Rows": 20, "Actual Loops": 2, "Rows Removed by Filter": 5,
            });
            scan["Plans"] = more;
            scan
        };
        let index = json!([{ "Index Name": "i", "Actual Rows": 7.5, "Actual Loops": 1 }]);
        let plan = json!({ "Node Type": "Limit", "Actual Rows": 1000, "Actual Loops": 1, "Plans": [scan(index)] });
        assert_eq!(rows(&plan), 2 * 25 + 8);
        assert!(
            Plan {
                rows: MOST_READ,
                pages: 0
            }
            .is_bounded()
        );
        assert!(
            !Plan {
                rows: 0,
                pages: MOST_READ + 1
            }
            .is_bounded()
        );
    }
}
