//! `usher keys`: new keys and a new secret, to be put where the environment is kept, and lists that change to the next ones.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use usher_core::{secret::Secret, tokens::SigningKeys};
use usher_domain::Clock;

use crate::output::say;

mod list;
mod rotate;

pub(crate) use list::KeyTexts;

const NOTE: &str = "\
# Keep both lines secret: in .env, or where the platform keeps its variables (`vercel env add USHER_SECRET`).
# Behind each @ stands since when it is in use. `usher keys rotate` makes the lists that change to the next ones.";

/// Prints a new signing key and a new secret.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher keys >> .env\n  usher keys rotate")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Rotate(rotate::Arguments),
}

impl Arguments {
    /// Tells whether the file `.env` counts: new keys need nothing of it.
    pub(crate) fn reads_env_file(&self) -> bool {
        self.command.is_some()
    }
}

/// Prints the lines.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let now = Clock::default().now();
    if let Some(Command::Rotate(arguments)) = &arguments.command {
        return rotate::run(arguments, now);
    }
    let since = written(whole_minute(now))?;
    say(NOTE);
    say(format_args!(
        "USHER_SIGNING_KEYS={}@{since}",
        SigningKeys::generate()?
    ));
    say(format_args!("USHER_SECRET={}@{since}", Secret::generate()?));
    Ok(ExitCode::SUCCESS)
}

/// Returns the beginning of the minute: dates are read by people.
fn whole_minute(time: OffsetDateTime) -> OffsetDateTime {
    let beyond = time.unix_timestamp_nanos() % Duration::MINUTE.whole_nanoseconds();
    time - Duration::nanoseconds(i64::try_from(beyond).unwrap_or_default())
}

/// Writes a date as a list has it.
pub(crate) fn written(time: OffsetDateTime) -> Result<String> {
    time.format(&Rfc3339).context("cannot write a date")
}
