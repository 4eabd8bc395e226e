//! `usher migrate deploy`.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Args;
use serde_json::json;
use usher_migrate::{DeployOptions, Deployed, LOCK_WAIT, Migrations};

use super::{Direct, Source};
use crate::{
    database::Target,
    output::{say, tell},
};

/// Applies what is pending, each migration in a transaction of its own.
///
/// It waits for another deploy, and in short turns for locks of others. A migration that fails leaves nothing, and the
/// message says what to do. Functions never migrate: run this before they are deployed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  DIRECT_URL=postgresql://… usher migrate deploy\n  usher migrate deploy --dry-run\n  usher migrate deploy --to 20261123100200 --json"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    source: Source,
    /// Stops after the migration of this version.
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
    /// Shows the SQL of what is pending, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Shows the result for programs.
    #[arg(long)]
    json: bool,
    /// How long to wait for another deploy.
    #[arg(long, value_name = "SECONDS", default_value_t = LOCK_WAIT.as_secs())]
    lock_wait: u64,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (opened, mut client) = arguments.direct.open().await?;
    let migrations = arguments.source.read()?;
    if arguments.dry_run {
        let pending = migrations.pending(&client, arguments.to).await?;
        let names: Vec<_> = pending.iter().map(|migration| migration.name()).collect();
        if arguments.json {
            say(serde_json::to_string_pretty(&json!({ "pending": names }))?);
        } else {
            for migration in &pending {
                say(format_args!("-- {}\n{}", migration.name(), migration.sql()));
            }
            say(format_args!(
                "-- {} would be applied to {}",
                count(pending.len()),
                opened.target.place()
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    tell(&format!("deploying to {}", opened.target.place()));
    let options = DeployOptions {
        to: arguments.to,
        lock_wait: Duration::from_secs(arguments.lock_wait),
        progress: &tell,
    };
    let deployed = migrations.deploy(&mut client, options).await?;
    if arguments.json {
        say(serde_json::to_string_pretty(&json!({
            "applied": deployed.applied,
            "partitions": deployed.partitions,
            "missingRoles": deployed.missing_roles,
        }))?);
    } else {
        for name in &deployed.applied {
            say(format_args!("applied {name}"));
        }
        say(summary(&deployed)?);
    }
    if !deployed.missing_roles.is_empty() {
        tell(&advice(&deployed.missing_roles));
    }
    Ok(ExitCode::SUCCESS)
}

/// Applies everything that is pending.
pub(crate) async fn deploy(target: &Target, progress: &(dyn Fn(&str) + Sync)) -> Result<Deployed> {
    let mut client = target.connect().await?;
    let options = DeployOptions {
        progress,
        ..DeployOptions::default()
    };
    Ok(Migrations::embedded()?.deploy(&mut client, options).await?)
}

/// Says what a deploy did.
pub(crate) fn summary(deployed: &Deployed) -> Result<String> {
    let version = Migrations::embedded()?.latest();
    Ok(match deployed.applied.len() {
        0 => "nothing to apply, all migrations are there".to_owned(),
        applied => format!("{} applied, this build needs {version}", count(applied)),
    })
}

/// Returns a number of migrations in words.
pub(super) fn count(number: usize) -> String {
    match number {
        1 => "1 migration".to_owned(),
        number => format!("{number} migrations"),
    }
}

/// Says how the roles of the product come to be.
pub(super) fn advice(roles: &[String]) -> String {
    let statements: Vec<_> = roles
        .iter()
        .map(|role| format!("create role {role} login password '…';"))
        .collect();
    let statements = statements.join("\n  ");
    format!(
        "this role may not create roles, so some are missing; let an administrator of the server run\n  {statements}\n\
         and `usher migrate deploy` again, which grants them what they need"
    )
}
