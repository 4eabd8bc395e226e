//! `usher migrate`: brings a database to the schema of this build and back, and tells how far it is.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use tokio_postgres::Client;
use usher_migrate::Migrations;

use crate::{
    checkout,
    database::{Choice, Opened, Target},
};

mod adopt;
mod deploy;
mod dev;
mod drift;
mod lint;
mod new;
mod reset;
mod rollback;
mod status;
mod verify;

pub(crate) use deploy::{deploy, summary};
pub(crate) use status::status;

/// Brings a database to the schema of this build and back, and tells how it stands.
///
/// The connection has to be a direct one. It is that of --database-url, or of the first variable that is set:
/// `MIGRATE_DATABASE_URL`, `DIRECT_URL`, `DATABASE_URL_UNPOOLED`, `POSTGRES_URL_NON_POOLING`, `DATABASE_URL`.
/// Without any it is the database of `usher dev`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  DIRECT_URL=postgresql://… usher migrate deploy")]
pub(crate) enum Command {
    Deploy(deploy::Arguments),
    Status(status::Arguments),
    Verify(verify::Arguments),
    Lint(lint::Arguments),
    Rollback(rollback::Arguments),
    New(new::Arguments),
    Dev(dev::Arguments),
    Drift(drift::Arguments),
    Adopt(adopt::Arguments),
    Reset(reset::Arguments),
}

/// Which database, reached how.
#[derive(Debug, Args)]
pub(crate) struct Direct {
    #[command(flatten)]
    database: Choice,
    /// Goes on although the connection seems to lead through a transaction pooler.
    #[arg(long)]
    allow_pooler: bool,
}

/// Which migrations.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Takes the migrations of this folder instead of those of this program.
    #[arg(long, value_name = "FOLDER")]
    migrations: Option<PathBuf>,
}

/// Runs one of them.
pub(crate) async fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Deploy(arguments) => deploy::run(arguments).await,
        Command::Status(arguments) => status::run(arguments).await,
        Command::Verify(arguments) => verify::run(arguments).await,
        Command::Lint(arguments) => lint::run(arguments),
        Command::Rollback(arguments) => rollback::run(arguments).await,
        Command::New(arguments) => new::run(arguments),
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Drift(arguments) => drift::run(arguments).await,
        Command::Adopt(arguments) => adopt::run(arguments).await,
        Command::Reset(arguments) => reset::run(arguments).await,
    }
}

impl Direct {
    /// Finds the database and connects to it, but not through a transaction pooler.
    pub(crate) async fn open(&self) -> Result<(Opened, Client)> {
        let opened = self.find().await?;
        let client = self.connect(&opened.target).await?;
        Ok((opened, client))
    }

    /// Finds the database, and refuses one that looks like a transaction pooler.
    async fn find(&self) -> Result<Opened> {
        let opened = Opened::find(&self.database).await?;
        if let Some(sign) = opened.target.pooler.as_ref().filter(|_| !self.allow_pooler) {
            return refuse_pooler(&opened.target, sign);
        }
        Ok(opened)
    }

    async fn connect(&self, target: &Target) -> Result<Client> {
        if self.allow_pooler {
            return target.connect().await;
        }
        match target.connect_directly().await? {
            Some(client) => Ok(client),
            None => refuse_pooler(target, "it takes no parameters at the start of a session"),
        }
    }
}

impl Source {
    /// Reads the migrations.
    pub(crate) fn read(&self) -> Result<Migrations> {
        let Some(folder) = &self.migrations else {
            return Ok(Migrations::embedded()?);
        };
        Migrations::from_folder(folder)
            .with_context(|| format!("no migrations in {}", checkout::shown(folder)))
    }
}

fn refuse_pooler<T>(target: &Target, sign: &str) -> Result<T> {
    bail!(
        "{} leads to a transaction pooler ({sign}), where a session and its locks do not hold: set DIRECT_URL to the \
         connection string without the pooler, or use --allow-pooler if it is none",
        target.variable
    );
}
