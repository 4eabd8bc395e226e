//! What is in the tables of the current schema: how many rows, what they add up to, and the audit log by month.
//!
//! The sum of a set of rows is that of a part of the hash of each, written out in one way on every server. So it does not
//! depend on the order of the rows, and changes with any value of any of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Row, types::Type};

/// How values are written out; the zone of the time and all that a server or role may have set otherwise.
const SETTINGS: &str = "
    set timezone = 'UTC';
    set datestyle = 'ISO, YMD';
    set intervalstyle = 'postgres';
    set extra_float_digits = 1;
    set bytea_output = 'hex';
    set statement_timeout = 0;
    set lock_timeout = '60s';
    set idle_in_transaction_session_timeout = 0;
    set row_security = off";

/// The sum of a set of rows. The quotes keep the name from being taken for a column.
const SUM: &str = r#"coalesce(sum(
    ('x' || left(encode(sha256(convert_to("the row"::text, 'UTF8')), 'hex'), 16))::bit(64)::bigint::numeric
  ), 0)::text"#;

/// The contents of a schema in figures.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Census {
    /// The tables by their names; partitions count with their table.
    pub(super) tables: BTreeMap<String, Contents>,
    /// The last number that each sequence gave away; none yet is missing.
    pub(super) sequences: BTreeMap<String, i64>,
    /// The audit log by month, such as `2026-11`.
    pub(super) audit_logs: BTreeMap<String, Month>,
}

/// The rows of a table.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) rows: i64,
    pub(super) sum: String,
}

/// The audit entries of a month.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Month {
    pub(super) rows: i64,
    pub(super) first_id: i64,
    pub(super) last_id: i64,
    pub(super) first_at: String,
    pub(super) last_at: String,
    pub(super) sum: String,
}

/// Makes a session write out values in one way, see every row, and wait for as long as it takes.
pub(super) async fn prepare(client: &Client) -> Result<()> {
    let prepared = client.batch_execute(SETTINGS).await;
    prepared.context("cannot prepare the session")
}

impl Census {
    /// Counts and adds up everything in the current schema, in a session that was prepared for it.
    ///
    /// The sequences are those of `sequences`: unlike rows they are not as they were when a transaction began.
    pub(super) async fn take(client: &Client, sequences: BTreeMap<String, i64>) -> Result<Self> {
        let mut tables = BTreeMap::new();
        for (name, statement) in statements(client).await.context("cannot list the tables")? {
            let counted = client.query_typed_one(&statement, &[]).await;
            let row = counted.with_context(|| format!("cannot count the rows of {name}"))?;
            let contents = Contents {
                rows: row.try_get("rows")?,
                sum: row.try_get("sum")?,
            };
            tables.insert(name, contents);
        }
        let audit_logs = if tables.contains_key("audit_logs") {
            months(client).await.context("cannot count the audit log")?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            tables,
            sequences,
            audit_logs,
        })
    }

    /// Returns the number of all rows.
    pub(super) fn rows(&self) -> i64 {
        self.tables.values().map(|table| table.rows).sum()
    }
}

/// Returns the tables, each with the statement that counts it: whole ones, not what extensions own, not partitions.
async fn statements(client: &Client) -> Result<Vec<(String, String)>> {
    let statement = "
        select
          relname::text as name,
          case relkind when 'r' then 'only ' else '' end || oid::regclass::text as place
        from pg_class
        where relnamespace = quote_ident(current_schema())::regnamespace
          and relkind in ('r', 'p')
          and not relispartition
          and relpersistence <> 't'
          and not exists (
            select from pg_depend
            where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
          )
        order by relname";
    let rows = client.query_typed(statement, &[]).await?;
    let counting = |row: &Row| {
        let (name, place) = (row.try_get("name")?, row.try_get::<_, String>("place")?);
        Ok((
            name,
            format!(r#"select count(*) as rows, {SUM} as sum from {place} as "the row""#),
        ))
    };
    rows.iter().map(counting).collect()
}

async fn months(client: &Client) -> Result<BTreeMap<String, Month>> {
    let statement = format!(
        r#"
        select
          to_char(created_at, 'YYYY-MM') as month,
          count(*) as rows,
          min(id) as first_id,
          max(id) as last_id,
          to_char(min(created_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as first_at,
          to_char(max(created_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_at,
          {SUM} as sum
        from audit_logs as "the row"
        group by 1"#
    );
    let rows = client.query_typed(&statement, &[]).await?;
    let read = |row: &Row| {
        let month = Month {
            rows: row.try_get("rows")?,
            first_id: row.try_get("first_id")?,
            last_id: row.try_get("last_id")?,
            first_at: row.try_get("first_at")?,
            last_at: row.try_get("last_at")?,
            sum: row.try_get("sum")?,
        };
        Ok((row.try_get("month")?, month))
    };
    rows.iter().map(read).collect()
}

/// Returns the last number that each sequence of the current schema gave away.
pub(super) async fn sequences(client: &Client) -> Result<BTreeMap<String, i64>> {
    let statement = "
        select sequencename::text as name, last_value
        from pg_sequences
        where schemaname = current_schema() and last_value is not null";
    let rows = client.query_typed(statement, &[]).await;
    let rows = rows.context("cannot read the sequences")?;
    let read = |row: &Row| Ok((row.try_get("name")?, row.try_get("last_value")?));
    rows.iter().map(read).collect()
}

/// Makes a schema the only one that a session looks into, so that names are written out in one way.
pub(super) async fn look_into(client: &Client, schema: &str) -> Result<()> {
    let statement = "select set_config('search_path', quote_ident($1), false)";
    let set = client
        .query_typed(statement, &[(&schema, Type::TEXT)])
        .await;
    set.context("cannot look into the schema")?;
    Ok(())
}
