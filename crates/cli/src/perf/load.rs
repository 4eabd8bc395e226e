//! Fills the database: users, their sessions, and an audit log of three years.
//!
//! By COPY in binary, without indexes and triggers, which are put back afterwards: 10 million rows are a matter of minutes
//! then, and the indexes are as good as new.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::{
    Client,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::{
    people::{DOMAIN, Dice},
    rows::{TABLES, Table},
};
use crate::output::tell;

/// How long ago the first user came.
const AGE: Duration = Duration::from_hours(3 * 365 * 24);

/// How often is told how far it is.
const NEWS: Duration = Duration::from_secs(2);

/// What is in the database.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Loaded {
    pub(super) users: i64,
    pub(super) sessions: i64,
    pub(super) audit_entries: i64,
    /// How many rows were added now.
    pub(super) added: u64,
    pub(super) seconds: f64,
    /// The size of the database with its indexes.
    pub(super) megabytes: i64,
}

impl fmt::Display for Loaded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            users,
            sessions,
            audit_entries,
            added,
            seconds,
            megabytes,
        } = self;
        write!(
            formatter,
            "{users} users, {sessions} sessions, {audit_entries} audit entries, {megabytes} MB; "
        )?;
        match added {
            0 => write!(formatter, "loaded by an earlier run"),
            _ => write!(
                formatter,
                "{added} rows loaded in {seconds:.1} s, with their indexes"
            ),
        }
    }
}

/// What the rows are made of.
#[derive(Debug)]
pub(super) struct Rows {
    /// The id of the user with the number 0; the others follow.
    first_id: i64,
    count: u64,
    begin: OffsetDateTime,
}

impl Rows {
    /// Returns when the row of a number was made: they come evenly, in the order of their numbers, until now.
    pub(super) fn made_at(&self, number: u64) -> OffsetDateTime {
        let passed =
            u128::from(AGE.as_secs()) * u128::from(number + 1) / u128::from(self.count + 1);
        self.begin + Duration::from_secs(u64::try_from(passed).unwrap_or_default())
    }

    /// Returns the number of users.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the id of a user.
    pub(super) fn user(&self, number: u64) -> i64 {
        self.first_id + number.cast_signed()
    }

    /// Returns one of the users, some of them more often.
    pub(super) fn somebody(&self, dice: &mut Dice) -> i64 {
        self.user(dice.skewed(self.count))
    }
}

/// Loads so many users, sessions and entries, or finds those of an earlier run.
pub(super) async fn load(client: &Client, count: u64) -> Result<Loaded> {
    let started = Instant::now();
    let statement = "select count(*) as number from users where email like '%' || $1";
    let row = client
        .query_typed_one(statement, &[(&DOMAIN, Type::TEXT)])
        .await?;
    let found = row.try_get::<_, i64>("number")?.cast_unsigned();
    let mut added = 0;
    if found == 0 {
        added = load_all(client, count).await?;
    } else if found < count {
        bail!(
            "the database holds only {found} users of an earlier run: ask for no more by --users, or name an empty one"
        );
    } else {
        tell(&format!("using {found} users of an earlier run"));
    }
    census(client, added, started.elapsed()).await
}

/// In one transaction: a run that is ended early leaves the database as it was, with its indexes.
async fn load_all(client: &Client, count: u64) -> Result<u64> {
    // Triggers and foreign keys would look at every row. Only a superuser may pass them over.
    if client
        .batch_execute("set session_replication_role = replica")
        .await
        .is_err()
    {
        tell("  this role may not leave out triggers and foreign keys, so it takes longer");
    }
    client
        .batch_execute("set maintenance_work_mem = '512MB'; begin")
        .await?;
    let indexes = if is_empty(client).await? {
        drop_indexes(client).await?
    } else {
        Vec::new()
    };
    make_partitions(client).await?;
    let rows = reserve(client, count).await?;
    let mut added = 0;
    for table in &TABLES {
        added += fill(client, table, &rows).await?;
    }
    for index in indexes {
        slowly(&index, client.batch_execute(&index)).await?;
    }
    client
        .batch_execute("commit")
        .await
        .context("cannot keep what was loaded")?;
    slowly(
        "vacuum analyze",
        client.batch_execute("vacuum (analyze) users, sessions, audit_logs"),
    )
    .await?;
    client.batch_execute("reset all").await?;
    Ok(added)
}

async fn is_empty(client: &Client) -> Result<bool> {
    let row = client
        .query_typed_one("select not exists (select from users) as is_empty", &[])
        .await?;
    Ok(row.try_get("is_empty")?)
}

/// Drops the indexes that no constraint needs, and returns how to make them again.
async fn drop_indexes(client: &Client) -> Result<Vec<String>> {
    let statement = "
        select
          indexrelid::regclass::text as name,
          pg_get_indexdef(indexrelid) as definition
        from pg_index
        where indrelid in ('users'::regclass, 'sessions'::regclass, 'audit_logs'::regclass)
          and not exists (select from pg_constraint where conindid = indexrelid)
        order by indexrelid";
    let mut definitions = Vec::new();
    for row in client.query_typed(statement, &[]).await? {
        let name: &str = row.try_get("name")?;
        client
            .batch_execute(&format!("drop index {name}"))
            .await
            .with_context(|| format!("cannot drop {name}"))?;
        // Of a partitioned table it is the index without those of the partitions.
        let definition: String = row.try_get("definition")?;
        definitions.push(definition.replacen(" ON ONLY ", " ON ", 1));
    }
    Ok(definitions)
}

/// Has a partition made for each month: the function makes those from the month of the oldest entry on.
async fn make_partitions(client: &Client) -> Result<()> {
    let statement = format!(
        "insert into audit_logs (action, entity, created_at)
        select 'CREATE', 'User', now() - make_interval(secs => {})
        where not exists (select from audit_logs);
        select audit_logs_make_partitions()",
        AGE.as_secs()
    );
    client
        .batch_execute(&statement)
        .await
        .context("cannot make the partitions of the audit log")
}

/// Takes ids for the users, so that nobody else gets one of them.
async fn reserve(client: &Client, count: u64) -> Result<Rows> {
    let statement = "
        with first as (select nextval(pg_get_serial_sequence('users', 'id')) as id)
        select
          first.id,
          now() as now,
          setval(pg_get_serial_sequence('users', 'id'), first.id + $1)
        from first";
    let row = client
        .query_typed_one(statement, &[(&count.cast_signed(), Type::INT8)])
        .await
        .context("cannot take ids")?;
    let now: OffsetDateTime = row.try_get("now")?;
    Ok(Rows {
        first_id: row.try_get("id")?,
        count,
        begin: now - AGE,
    })
}

/// Copies the rows of a table.
async fn fill(client: &Client, table: &Table, rows: &Rows) -> Result<u64> {
    let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    let types: Vec<_> = table.columns.iter().map(|(_, kind)| kind.clone()).collect();
    let statement = format!(
        "copy {} ({}) from stdin (format binary)",
        table.name,
        names.join(", ")
    );
    let failed = || format!("cannot load {}", table.name);
    let sink = client.copy_in(&statement).await.with_context(failed)?;
    let mut writer: Pin<&mut BinaryCopyInWriter> = pin!(BinaryCopyInWriter::new(sink, &types));
    let mut told = Instant::now();
    for number in 0..rows.count {
        let values = (table.values)(rows, number);
        let values: Vec<_> = values
            .iter()
            .map(|value| &**value as &(dyn ToSql + Sync))
            .collect();
        writer.as_mut().write(&values).await.with_context(failed)?;
        if told.elapsed() > NEWS {
            tell(&format!(
                "  loading {}: {} %",
                table.name,
                number * 100 / rows.count
            ));
            told = Instant::now();
        }
    }
    writer.finish().await.with_context(failed)
}

/// Waits for something that takes long with many rows, and says what it is when it does.
async fn slowly(
    what: &str,
    work: impl Future<Output = Result<(), tokio_postgres::Error>>,
) -> Result<()> {
    let mut work = pin!(work);
    let started = Instant::now();
    loop {
        match tokio::time::timeout(NEWS, &mut work).await {
            Ok(done) => return done.with_context(|| format!("it failed: {what}")),
            Err(_) => tell(&format!("  {what}: {} s", started.elapsed().as_secs())),
        }
    }
}

async fn census(client: &Client, added: u64, took: Duration) -> Result<Loaded> {
    tell("  counting");
    let statement = "
        select
          (select count(*) from users) as users,
          (select count(*) from sessions) as sessions,
          (select count(*) from audit_logs) as audit_entries,
          pg_database_size(current_database()) / 1000000 as megabytes";
    let row = client.query_typed_one(statement, &[]).await?;
    Ok(Loaded {
        users: row.try_get("users")?,
        sessions: row.try_get("sessions")?,
        audit_entries: row.try_get("audit_entries")?,
        added,
        seconds: took.as_secs_f64(),
        megabytes: row.try_get("megabytes")?,
    })
}
