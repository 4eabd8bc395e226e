//! `usher migrate reset`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio_postgres::{Client, types::Type};
use usher_migrate::{DeployOptions, Migrations};

use super::{Direct, deploy::summary};
use crate::{
    confirm::confirm,
    output::{say, tell},
};

/// Drops the database and makes it anew, with the schema and nothing in it.
///
/// A database on another machine has to be named a second time: --host with the name of that machine. Everybody who is
/// connected is cut off. `usher seed` makes the administrator afterwards.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher migrate reset\n  usher migrate reset --host db.example.com --yes"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    /// The machine of the database, when it is not this one.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Does not ask.
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (opened, client) = arguments.direct.open().await?;
    let target = &opened.target;
    if !target.url.is_local() && arguments.host != target.host() {
        bail!(
            "{} is on another machine: name it a second time, --host {}, if everything in it may be lost",
            target.place(),
            target.host().unwrap_or_default()
        );
    }
    tell(&format!("everything in {} would be lost", target.place()));
    confirm(arguments.yes, "reset")?;
    let name = target
        .url
        .driver()
        .get_dbname()
        .unwrap_or_default()
        .to_owned();
    let making = making(&client, &name)
        .await
        .context("cannot look at the database")?;
    drop(client);
    let other = target.connect_beside().await?;
    for statement in [
        format!("drop database {} with (force)", quote(&name)),
        making,
    ] {
        other.batch_execute(&statement).await.with_context(|| {
            format!("cannot make {name} anew; its owner has to be a role that may create databases")
        })?;
    }
    let mut client = arguments.direct.connect(target).await?;
    let options = DeployOptions {
        progress: &tell,
        ..DeployOptions::default()
    };
    let deployed = Migrations::embedded()?.deploy(&mut client, options).await?;
    say(summary(&deployed)?);
    Ok(ExitCode::SUCCESS)
}

/// Returns the statement that makes the same database again: with its owner, encoding and locale.
async fn making(client: &Client, name: &str) -> Result<String> {
    let statement = "
        select format(
          'create database %I owner %I template template0 encoding %L lc_collate %L lc_ctype %L',
          datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype
        ) as statement
        from pg_database
        where datname = $1";
    let row = client
        .query_typed_one(statement, &[(&name, Type::TEXT)])
        .await?;
    Ok(row.try_get("statement")?)
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
