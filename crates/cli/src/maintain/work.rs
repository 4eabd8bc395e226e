//! What a run does without a question: it makes partitions, removes old keys and analyzes what is stale.

use anyhow::{Context, Result};
use tokio_postgres::{Client, Row, types::Type};

use super::report::Report;
use crate::output::tell;

const STATISTICS: &str = "statistics";
const KEYS: &str = "idempotency-keys";
const FRESH: &str = "the statistics of every table are fresh";

/// A table whose statistics are stale.
struct Stale {
    table: String,
    changed: i64,
    statement: String,
}

/// Makes the partitions, removes the keys whose day is over, and analyzes tables until none is stale.
pub(super) async fn run(client: &Client, report: &mut Report) -> Result<()> {
    make_partitions(client, report).await?;
    forget_keys(client, report).await?;
    let mut analyzed = Vec::new();
    // Looked up anew after each: a partitioned table may take its partitions along.
    while let Some(stale) = stale(client, &analyzed).await?.into_iter().next() {
        let table = stale.table;
        tell(&format!("analyzing {table}"));
        let ran = client.batch_execute(&stale.statement).await;
        ran.with_context(|| format!("cannot analyze {table}"))?;
        let what = format!("analyzed, {} rows had changed", stale.changed);
        report.done(STATISTICS, &table, what);
        analyzed.push(table);
    }
    if analyzed.is_empty() {
        report.ok(STATISTICS, FRESH);
    }
    Ok(())
}

/// Tells what would be removed and analyzed.
pub(super) async fn preview(client: &Client, report: &mut Report) -> Result<()> {
    let statement = "
        select count(*) as old
        from idempotency_keys
        where created_at < now() - interval '1 day'";
    let row = client.query_typed_one(statement, &[]).await;
    let old: i64 = row.context("cannot count old keys")?.try_get("old")?;
    if old > 0 {
        let advice = "`usher maintain` removes them, and so does the scheduler".to_owned();
        let what = format!("{old} older than a day");
        report.found(KEYS, "idempotency_keys".to_owned(), what, Some(advice));
    }
    let stale = stale(client, &[]).await?;
    if stale.is_empty() {
        report.ok(STATISTICS, FRESH);
    }
    for Stale { table, changed, .. } in stale {
        let what = format!("stale, {changed} rows have changed");
        let advice = "`usher maintain` analyzes it".to_owned();
        report.found(STATISTICS, table, what, Some(advice));
    }
    Ok(())
}

async fn make_partitions(client: &Client, report: &mut Report) -> Result<()> {
    tell("making the partitions of the coming months");
    let statement = "select audit_logs_make_partitions() as made";
    let row = client.query_typed_one(statement, &[]).await;
    let row = row.context("cannot make the partitions of the coming months")?;
    let made: i32 = row.try_get("made")?;
    if made > 0 {
        report.done("partitions", "audit_logs", format!("{made} made"));
    }
    Ok(())
}

async fn forget_keys(client: &Client, report: &mut Report) -> Result<()> {
    let statement = "delete from idempotency_keys where created_at < now() - interval '1 day'";
    let removed = client.execute_typed(statement, &[]).await;
    let removed = removed.context("cannot remove old keys")?;
    if removed > 0 {
        report.done(KEYS, "idempotency_keys", format!("{removed} removed"));
    }
    Ok(())
}

/// Returns the tables that are stale, partitioned ones first, without those of the list.
async fn stale(client: &Client, without: &[String]) -> Result<Vec<Stale>> {
    let statement = "
        select relation::text as table, changed, statement
        from stale_statistics()
        join pg_class on pg_class.oid = relation
        where relation::text <> all ($1)
        order by relkind = 'p' desc, changed desc, relation::text";
    let rows = client
        .query_typed(statement, &[(&without, Type::TEXT_ARRAY)])
        .await
        .context("cannot look for stale statistics")?;
    let read = |row: &Row| {
        Ok(Stale {
            table: row.try_get("table")?,
            changed: row.try_get("changed")?,
            statement: row.try_get("statement")?,
        })
    };
    rows.iter().map(read).collect()
}
