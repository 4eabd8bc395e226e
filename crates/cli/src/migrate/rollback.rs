//! `usher migrate rollback`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use usher_migrate::Back;

use super::{Direct, Source, deploy::count};
use crate::{
    confirm::confirm,
    output::{say, tell},
};

/// Undoes migrations, newest first: rollback.sql and the history in one transaction each.
///
/// Before it does, it says what would be lost, found by a rehearsal that is never committed, and asks. Back up first:
/// `usher backup create`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher migrate rollback\n  usher migrate rollback --steps 2 --yes\n  usher migrate rollback --to 20261123100100\n  usher migrate rollback --to 0"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    source: Source,
    /// How many migrations to undo [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "to")]
    steps: Option<usize>,
    /// The version that is to be the newest afterwards; 0 leaves nothing.
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
    /// Does not ask.
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (opened, mut client) = arguments.direct.open().await?;
    let migrations = arguments.source.read()?;
    let back = match arguments.to {
        Some(version) => Back::To(version),
        None => Back::Steps(arguments.steps.unwrap_or(1)),
    };
    let chosen = migrations.undoable(&client, back).await?;
    if chosen.is_empty() {
        say("nothing to undo");
        return Ok(ExitCode::SUCCESS);
    }
    tell(&format!(
        "{} of {} would be undone:",
        count(chosen.len()),
        opened.target.place()
    ));
    for migration in &chosen {
        tell(&format!("  {}", migration.name()));
    }
    let losses = migrations.losses(&mut client, &chosen).await?;
    tell(if losses.is_empty() {
        "nothing would be lost"
    } else {
        "this would be lost:"
    });
    for loss in &losses {
        tell(&format!("  {loss}"));
    }
    confirm(arguments.yes, "undo")?;
    let undone = migrations.rollback(&mut client, back, &tell).await?;
    for name in &undone {
        say(format_args!("undone {name}"));
    }
    Ok(ExitCode::SUCCESS)
}
