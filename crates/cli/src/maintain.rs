//! `usher maintain`: does what a database needs from time to time, and tells what somebody has to look at.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use tokio_postgres::{Client, error::SqlState};

use crate::{environment::variable, migrate::Direct, output::say};

mod checks;
mod report;
mod retention;
mod work;

use report::Report;
use retention::Retention;

/// Something is left to do.
const TODO: u8 = 3;

/// The lock that keeps two of these apart, and one from a call of the scheduler; `run_maintenance` takes it too.
const LOCK: i64 = 7_306_366_115_370_002;

/// Analyzes what is stale, makes partitions, drops old months of the audit log, and reports what needs attention.
///
/// Old months go only where `USHER_AUDIT_RETENTION_MONTHS` says for how many the audit log is kept, and after a question;
/// the number is kept in the database for the scheduler. Reported are bloat, dead rows, indexes that are unused, missing
/// or invalid, connections, open transactions, and the age of transaction ids, each with what to do about it. Indexes and
/// foreign keys that usher itself made are not questioned.
///
/// It needs a direct connection as the owner of the tables, which is found as by `usher migrate`. Exits with 0 when
/// nothing is left to do, and with 3 when something is.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  DIRECT_URL=postgresql://… usher maintain\n  usher maintain --dry-run --json\n  USHER_AUDIT_RETENTION_MONTHS=24 usher maintain --yes"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    /// Changes nothing; what would be done counts as left to do.
    #[arg(long)]
    dry_run: bool,
    /// Shows the result for programs.
    #[arg(long)]
    json: bool,
    /// Does not ask before old months of the audit log are dropped.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// For how long a transaction may wait for its client before it is reported.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle: u32,
}

/// Runs the command.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let retention = Retention::read(variable)?;
    let (opened, mut client) = arguments.direct.open().await?;
    let place = opened.target.place();
    prepare(&client, &place).await?;
    let mut report = Report::default();
    if arguments.dry_run {
        retention.preview(&client, &mut report).await?;
        work::preview(&client, &mut report).await?;
    } else {
        take_lock(&client).await?;
        retention
            .apply(&mut client, arguments.yes, &mut report)
            .await?;
        work::run(&client, &mut report).await?;
    }
    checks::run(&client, arguments.idle, &mut report).await?;
    if arguments.json {
        let shown = json!({
            "database": place,
            "state": if report.todo() > 0 { "todo" } else { "clean" },
            "lines": report.lines(),
        });
        say(serde_json::to_string_pretty(&shown)?);
    } else {
        report.show();
    }
    Ok(match report.todo() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(TODO),
    })
}

/// Makes sure that the schema is there and this role its owner: another could analyze nothing, and would not be told so.
async fn prepare(client: &Client, place: &str) -> Result<()> {
    let failed = || format!("cannot look at {place}");
    let statement = "
        select
          to_regprocedure('stale_statistics()') is not null as is_current,
          current_user::text as role,
          relowner::regrole::text as owner,
          pg_has_role(relowner, 'usage') as is_owner
        from pg_class
        where oid = to_regclass('audit_logs')";
    let row = client.query_typed(statement, &[]).await;
    let row = row.with_context(failed)?.into_iter().next();
    let is_current = row.as_ref().map(|row| row.try_get("is_current"));
    let (true, Some(row)) = (is_current.transpose()?.unwrap_or_default(), row) else {
        bail!("{place} lacks functions of this build: run `usher migrate deploy` first");
    };
    if !row.try_get::<_, bool>("is_owner")? {
        let (role, owner): (String, String) = (row.try_get("role")?, row.try_get("owner")?);
        bail!(
            "{role} does not own the tables of {place}: set DIRECT_URL to a connection string of {owner}"
        );
    }
    // Months begin and end in UTC.
    let settings = "set timezone to 'UTC'; set statement_timeout to 0";
    client.batch_execute(settings).await.with_context(failed)
}

/// Takes the lock, and waits for a run that is just ending.
async fn take_lock(client: &Client) -> Result<()> {
    let statement =
        format!("set lock_timeout to '3s'; select pg_advisory_lock({LOCK}); reset lock_timeout");
    let taken = client.batch_execute(&statement).await;
    match taken {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            bail!("the database is being looked after already: run it again in a moment")
        }
        other => other.context("cannot take the lock of the maintenance"),
    }
}
