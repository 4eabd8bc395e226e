//! The `usher` command: develops, serves, migrates, backs up, maintains, measures, seeds and checks.
//!
//! Each command is a module with its arguments and one function that runs it. What several need lies beside them:
//! where the checkout, the data folder and the database are, how a process is told to stop, how a reader is told.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

mod backup;
mod checkout;
mod client_tools;
mod confirm;
mod data_folder;
mod database;
mod dev;
mod doctor;
mod environment;
mod generate;
mod keys;
mod maintain;
mod migrate;
mod output;
mod own_database;
mod perf;
mod pooler;
mod scratch;
mod secrets;
mod seed;
mod serve;
mod site;
mod stop;
mod studio;

/// How long the work of other threads may take after the end, such as a server that is just starting.
const LAST_WORK: Duration = Duration::from_secs(10);

/// User management on Postgres: develop, serve, migrate, back up, maintain, measure, seed and check it.
#[derive(Debug, Parser)]
#[command(name = "usher", version)]
#[command(after_help = "Example:\n  usher dev\n  usher help migrate deploy")]
struct Usher {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Arguments),
    Serve(serve::Arguments),
    #[command(subcommand)]
    Migrate(migrate::Command),
    #[command(subcommand)]
    Backup(backup::Command),
    Maintain(maintain::Arguments),
    Perf(perf::Arguments),
    Studio(studio::Arguments),
    Seed(seed::Arguments),
    Generate(generate::Arguments),
    Doctor(doctor::Arguments),
    Keys(keys::Arguments),
}

impl Command {
    /// Tells whether the file `.env` counts: it is for a developer's machine, and `serve` also runs elsewhere.
    fn reads_env_file(&self) -> bool {
        if let Self::Keys(keys) = self {
            return keys.reads_env_file();
        }
        matches!(
            self,
            Self::Dev(_)
                | Self::Migrate(_)
                | Self::Backup(_)
                | Self::Maintain(_)
                | Self::Perf(_)
                | Self::Studio(_)
                | Self::Seed(_)
                | Self::Doctor(_)
        )
    }
}

fn main() -> ExitCode {
    let started = Instant::now();
    match run(Usher::parse().command, started) {
        Ok(code) => code,
        Err(error) => {
            output::tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, started: Instant) -> Result<ExitCode> {
    // Before the first thread starts: it changes the environment of the process.
    if command.reads_env_file() {
        environment::load(&checkout::root()?)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the program")?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Dev(arguments) => dev::run(&arguments, started).await,
            Command::Serve(arguments) => serve::run(&arguments).await,
            Command::Migrate(command) => migrate::run(&command).await,
            Command::Backup(command) => backup::run(&command).await,
            Command::Maintain(arguments) => maintain::run(&arguments).await,
            Command::Perf(arguments) => perf::run(&arguments).await,
            Command::Studio(arguments) => studio::run(&arguments).await,
            Command::Seed(arguments) => seed::run(&arguments).await,
            Command::Generate(arguments) => generate::run(&arguments),
            Command::Doctor(arguments) => doctor::run(&arguments).await,
            Command::Keys(arguments) => keys::run(&arguments),
        }
    });
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}
