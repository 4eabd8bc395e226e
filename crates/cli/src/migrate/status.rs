//! `usher migrate status`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use time::{UtcOffset, format_description::well_known::Rfc3339};
use usher_migrate::{Entry, Migrations, Status};

use super::{Direct, Source};
use crate::{database::Target, output::say};

const PENDING: u8 = 3;
const BROKEN: u8 = 4;

/// Shows every migration and how it stands; writes nothing.
///
/// Exits with 0 when all are applied, with 3 when some are pending, with 4 when a deploy would be refused.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher migrate status --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    source: Source,
    /// Shows it for programs.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (_opened, client) = arguments.direct.open().await?;
    let status = arguments.source.read()?.status(&client).await?;
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

/// Returns how the migrations stand.
pub(crate) async fn status(target: &Target) -> Result<Status> {
    let client = target.connect().await?;
    Ok(Migrations::embedded()?.status(&client).await?)
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
