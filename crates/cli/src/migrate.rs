//! `usher migrate`: brings a database to the schema of this build, and tells how far it is.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use time::{UtcOffset, format_description::well_known::Rfc3339};
use usher_migrate::{Deployed, Entry, LOCK_WAIT, Migrations, Status};

use crate::{
    database::{self, Opened, Target},
    output::{say, tell},
};

const PENDING: u8 = 3;
const BROKEN: u8 = 4;

/// Applies migrations to a database, or shows how they stand.
///
/// The connection has to be a direct one. It is that of --database-url, or of the first variable that is set:
/// `MIGRATE_DATABASE_URL`, `DIRECT_URL`, `DATABASE_URL_UNPOOLED`, `POSTGRES_URL_NON_POOLING`, `DATABASE_URL`.
/// Without any it is the database of `usher dev`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  DIRECT_URL=postgresql://… usher migrate deploy")]
pub(crate) enum Command {
    Deploy(DeployArguments),
    Status(StatusArguments),
}

/// Applies what is pending, each migration in a transaction of its own.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  DIRECT_URL=postgresql://… usher migrate deploy")]
pub(crate) struct DeployArguments {
    #[command(flatten)]
    database: database::Choice,
    /// Goes on although the connection seems to lead through a transaction pooler.
    #[arg(long)]
    allow_pooler: bool,
}

/// Shows every migration and how it stands; writes nothing.
///
/// Exits with 0 when all are applied, with 3 when some are pending, with 4 when a deploy would be refused.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher migrate status --json")]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    database: database::Choice,
    /// Shows it for programs.
    #[arg(long)]
    json: bool,
    /// Goes on although the connection seems to lead through a transaction pooler.
    #[arg(long)]
    allow_pooler: bool,
}

/// Runs one of the two.
pub(crate) async fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Deploy(arguments) => run_deploy(arguments).await,
        Command::Status(arguments) => run_status(arguments).await,
    }
}

async fn run_deploy(arguments: &DeployArguments) -> Result<ExitCode> {
    let opened = Opened::find(&arguments.database).await?;
    if !arguments.allow_pooler {
        refuse_pooler(&opened.target)?;
    }
    tell(&format!("deploying to {}", opened.target.place()));
    let deployed = deploy(&opened.target, &tell).await?;
    for name in &deployed.applied {
        say(format_args!("applied {name}"));
    }
    say(summary(&deployed)?);
    Ok(ExitCode::SUCCESS)
}

async fn run_status(arguments: &StatusArguments) -> Result<ExitCode> {
    let opened = Opened::find(&arguments.database).await?;
    if !arguments.allow_pooler {
        refuse_pooler(&opened.target)?;
    }
    let status = status(&opened.target).await?;
    if arguments.json {
        say(serde_json::to_string_pretty(&as_json(&status))?);
    } else {
        for entry in &status.entries {
            say(line(entry));
        }
        say(verdict(&status).1);
    }
    Ok(ExitCode::from(verdict(&status).0))
}

/// Applies what is pending.
pub(crate) async fn deploy(target: &Target, progress: &(dyn Fn(&str) + Sync)) -> Result<Deployed> {
    let mut client = target.connect().await?;
    let migrations = Migrations::embedded()?;
    Ok(migrations.deploy(&mut client, LOCK_WAIT, progress).await?)
}

/// Returns how the migrations stand.
pub(crate) async fn status(target: &Target) -> Result<Status> {
    let client = target.connect().await?;
    Ok(Migrations::embedded()?.status(&client).await?)
}

/// Says what a deploy did.
pub(crate) fn summary(deployed: &Deployed) -> Result<String> {
    let version = Migrations::embedded()?.latest();
    Ok(match deployed.applied.len() {
        0 => format!("nothing to apply, the schema is at {version}"),
        1 => format!("1 migration applied, the schema is at {version}"),
        count => format!("{count} migrations applied, the schema is at {version}"),
    })
}

fn refuse_pooler(target: &Target) -> Result<()> {
    let Some(sign) = &target.pooler else {
        return Ok(());
    };
    bail!(
        "{} leads to a transaction pooler ({sign}), where the lock of a deploy does not hold: set DIRECT_URL to the \
         connection string without the pooler, or use --allow-pooler if it is none",
        target.variable
    );
}

/// Returns the exit code, and what there is to do.
fn verdict(status: &Status) -> (u8, &'static str) {
    if status.is_broken() {
        (
            BROKEN,
            "a deploy would be refused; `usher migrate deploy` says why",
        )
    } else if status.has_pending() {
        (
            PENDING,
            "some are pending; `usher migrate deploy` applies them",
        )
    } else {
        (0, "all are applied")
    }
}

fn line(entry: &Entry) -> String {
    let at = applied_at(entry).unwrap_or_default();
    format!("{:<12}  {}  {at}", entry.state, entry.name)
        .trim_end()
        .to_owned()
}

fn as_json(status: &Status) -> serde_json::Value {
    let state = match verdict(status).0 {
        BROKEN => "broken",
        PENDING => "pending",
        _ => "clean",
    };
    let migrations: Vec<_> = status
        .entries
        .iter()
        .map(|entry| {
            json!({
                "version": entry.version,
                "name": entry.name,
                "state": entry.state.as_str().replace(' ', "-"),
                "appliedAt": applied_at(entry),
            })
        })
        .collect();
    json!({ "state": state, "migrations": migrations })
}

fn applied_at(entry: &Entry) -> Option<String> {
    let at = entry.applied_at?.to_offset(UtcOffset::UTC);
    at.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}
