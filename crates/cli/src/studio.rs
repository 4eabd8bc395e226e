//! `usher studio`: the database in an SQL session, which changes nothing unless that was asked for.

use std::{
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use tokio::task::spawn_blocking;
use tokio_postgres::Client;

use crate::{
    client_tools::ClientTool,
    database::{Choice, Opened, Target},
    output::{say, tell},
    stop::Stop,
};

/// Up to this many rows are counted; above, the estimate of the server is shown.
const COUNTED: i64 = 100_000;

/// Keeps what is not meant to change from changing. Whoever means it can say so in the session too.
const READ_ONLY: &str = "-c default_transaction_read_only=on";

/// Opens the database in psql, after a look at its tables.
///
/// The database is that of --database-url, or of the first variable that is set, as for `usher migrate`; without any it
/// is the one of `usher dev`, which is started for as long as the session lasts. The session is read only, so that a slip
/// does no harm; --write lets it change things.
///
/// Needs psql, of any version.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher studio\n  usher studio -c 'select id, email, roles from users order by id'\n  usher studio --write"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: Choice,
    /// Runs these statements and ends, without a look at the tables.
    #[arg(long, short, value_name = "SQL")]
    command: Option<String>,
    /// Allows changes.
    #[arg(long)]
    write: bool,
}

/// A table and its rows, such as `about 1200000`.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    name: String,
    rows: String,
}

/// Runs the command.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let psql = ClientTool::find("psql", 0, "it is too old")?;
    let opened = Opened::find(&arguments.database).await?;
    let target = &opened.target;
    let client = connect(target, arguments.write).await?;
    if arguments.write && !target.url.is_local() {
        tell(&format!(
            "warning: changes are allowed, and {} is on another machine",
            target.place()
        ));
    }
    if arguments.command.is_none() {
        say(title(target, arguments.write));
        for table in tables(&client).await? {
            say(format_args!("  {:<28} {:>14}", table.name, table.rows));
        }
        tell("\\d shows a table, \\? explains, \\q ends");
    }
    drop(client);
    let command = session(&psql, target, arguments)?;
    if opened.own.is_some() {
        return wait(command).await;
    }
    // Nothing is left for this program to do, so psql takes its place.
    let mut command = command;
    Err(anyhow!(command.exec()).context(format!("cannot run {psql}")))
}

/// Connects; a session that is to stay read only has to be one, which it is not behind a transaction pooler.
async fn connect(target: &Target, is_writing: bool) -> Result<Client> {
    if is_writing {
        return target.connect().await;
    }
    match target.connect_directly().await? {
        Some(client) if target.pooler.is_none() => Ok(client),
        _ => bail!(
            "{} leads to a transaction pooler, through which a session cannot be kept read only: set DIRECT_URL to the \
             connection string without the pooler, or use --write",
            target.variable
        ),
    }
}

fn title(target: &Target, is_writing: bool) -> String {
    let manner = if is_writing {
        "changes are allowed"
    } else {
        "read only, --write allows changes"
    };
    format!("{} ({manner})", target.place())
}

/// Returns psql with what it needs. The prompt begins with the name of the database, and tells when it is read only.
fn session(psql: &ClientTool, target: &Target, arguments: &Arguments) -> Result<Command> {
    let options = if arguments.write { "" } else { READ_ONLY };
    let mut command = psql.command_for(&target.url, options)?;
    command.args(["--no-password", "--quiet"]);
    if let Some(sql) = &arguments.command {
        command.args(["--no-psqlrc", "--command", sql]);
        return Ok(command);
    }
    let manner = if arguments.write { "" } else { " (read only)" };
    for name in ["PROMPT1", "PROMPT2"] {
        command.arg(format!("--set={name}=%/{manner}%R%x%# "));
    }
    Ok(command)
}

/// Runs psql to its end, while the server that this program started lives. Ctrl-C is meant for psql alone.
async fn wait(mut command: Command) -> Result<ExitCode> {
    let _deaf = Stop::listen()?;
    let status = spawn_blocking(move || command.status()).await?;
    let status = status.context("cannot run psql")?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    Ok(code
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Returns the tables of the current schema with their rows.
async fn tables(client: &Client) -> Result<Vec<Table>> {
    let statement = "
        select
          relname::text as name,
          oid::regclass::text as place,
          case relkind
            when 'r' then reltuples::bigint
            -- Its partitions have the rows.
            else (
              select coalesce(sum(greatest(part.reltuples, 0)), 0)::bigint
              from pg_partition_tree(pg_class.oid) as tree
              join pg_class as part on part.oid = tree.relid
              where tree.isleaf
            )
          end as estimate,
          has_table_privilege(oid, 'select') as is_readable
        from pg_class
        where relnamespace = quote_ident(current_schema())::regnamespace
          and relkind in ('r', 'p')
          and not relispartition
        order by relname";
    let rows = client.query_typed(statement, &[]).await;
    let mut tables = Vec::new();
    for row in rows.context("cannot list the tables")? {
        let (name, place): (String, String) = (row.try_get("name")?, row.try_get("place")?);
        let rows = if row.try_get("is_readable")? {
            count(client, &place, row.try_get("estimate")?).await
        } else {
            Ok("not readable".to_owned())
        };
        let rows = rows.with_context(|| format!("cannot count the rows of {name}"))?;
        tables.push(Table { name, rows });
    }
    Ok(tables)
}

/// Counts the rows of a table, unless they are many. The estimate may be older than most of them.
async fn count(client: &Client, place: &str, estimate: i64) -> Result<String> {
    if estimate > COUNTED {
        return Ok(format!("about {estimate}"));
    }
    let limit = COUNTED + 1;
    let statement =
        format!("select count(*) as rows from (select from {place} limit {limit}) as counted");
    let rows: i64 = client
        .query_typed_one(&statement, &[])
        .await?
        .try_get("rows")?;
    Ok(if rows > COUNTED {
        format!("over {COUNTED}")
    } else {
        rows.to_string()
    })
}
