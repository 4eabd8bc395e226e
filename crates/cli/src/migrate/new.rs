//! `usher migrate new`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use time::macros::format_description;
use usher_domain::Clock;
use usher_migrate::{Migration, Migrations};

use crate::{checkout, output::say};

/// Makes the folder of a new migration, with both of its files.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher migrate new users_add_locale")]
pub(crate) struct Arguments {
    /// What it does, in small letters, digits and underscores: `users_add_locale`.
    name: String,
    /// The folder of the migrations [default: migrations of the checkout]
    #[arg(long, value_name = "FOLDER")]
    migrations: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let name = &arguments.name;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > 60 || !name.bytes().all(is_plain) {
        bail!(
            "{name:?} is no name of a migration: use up to 60 small letters, digits and underscores"
        );
    }
    let all = match &arguments.migrations {
        Some(folder) => folder.clone(),
        None => checkout::needed()?.join("migrations"),
    };
    let existing = Migrations::from_folder(&all)?;
    if let Some(same) = existing.iter().find(|migration| label(migration) == name) {
        bail!("{} has that name already", same.name());
    }
    let version = version(existing.latest())?;
    let folder = all.join(format!("V{version}__{name}"));
    let up = folder.join(format!("V{version}__{name}.sql"));
    let down = folder.join("rollback.sql");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (file, text) in [
        (
            &up,
            "-- What it is for. It may only add to what older builds use: see docs/operations.md.\n",
        ),
        (
            &down,
            "-- What is lost. Undoes all of it, or says `-- irreversible: why`.\n",
        ),
    ] {
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        say(checkout::shown(file));
    }
    Ok(ExitCode::SUCCESS)
}

fn label(migration: &Migration) -> &str {
    migration
        .name()
        .split_once("__")
        .map_or("", |(_, label)| label)
}

/// Returns the time as a version, or the one after the newest when the clock is behind that.
fn version(newest: i64) -> Result<i64> {
    let format = format_description!("[year][month][day][hour][minute][second]");
    let now: i64 = Clock::default().now().format(format)?.parse()?;
    Ok(now.max(newest + 1))
}
