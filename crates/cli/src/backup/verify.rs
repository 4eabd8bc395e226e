//! `usher backup verify`.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use tokio::task::spawn_blocking;
use usher_migrate::Snapshot;

use super::{
    census::{self, Census},
    compare::{self, Check, RESTORED, State},
    file::{self, Draft},
    manifest::Manifest,
    schema::comparable,
};
use crate::{
    checkout::shown,
    client_tools::{ClientTool, Running},
    output::{say, tell},
    scratch::{Scratch, ShadowChoice},
};

/// The exit code when the dump is not what the manifest says.
const DIFFERS: u8 = 6;

/// Restores a dump into a scratch database, and compares everything with the manifest beside it.
///
/// That is: the sum of the file, every object of the schema with its grants, the number of rows and the values of every
/// table, the sequences, and the audit log by month. Owners and default privileges are those of a server and are not
/// compared. A file with another sum is not restored: what is in it would be run.
///
/// The scratch database needs as much room as the database had: in the folder for temporary files, or on the server of
/// --shadow-url.
///
/// Exits with 0 when all is good, with 6 when anything differs, with 1 when it cannot be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher backup verify usher-app-20261124T080000Z.dump\n  usher backup verify users.dump --json\n  usher backup verify users.dump --shadow-url postgresql://postgres@localhost/postgres"
)]
pub(crate) struct Arguments {
    /// The dump; its manifest is FILE.json.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    shadow: ShadowChoice,
    /// Shows the result for programs.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let dump = arguments.file.clone();
    let manifest = Manifest::read(&dump)?;
    tell(&format!("reading {}", shown(&dump)));
    let sum = spawn_blocking(move || file::sum(&dump, &dump)).await??;
    let mut checks = vec![compare::file(&manifest.file, &sum)];
    if checks.iter().any(|check| check.state == State::Differs) {
        checks.extend(RESTORED.map(Check::skipped));
    } else {
        let scratch = restore(arguments, &manifest).await?;
        tell("comparing");
        let client = scratch.connect().await?;
        census::prepare(&client).await?;
        census::look_into(&client, &manifest.schema.name).await?;
        let found = Snapshot::read(&client).await?;
        let found = comparable(&found, &manifest.schema.extensions);
        let sequences = census::sequences(&client).await?;
        let counted = Census::take(&client, sequences).await?;
        let role = client.query_typed_one("select current_user::text as role", &[]);
        let role: String = role.await?.try_get("role")?;
        checks.extend(compare::restored(
            &manifest.schema,
            &manifest.census,
            &found,
            &counted,
            &role,
        ));
        if scratch.major() != manifest.server.major {
            tell(&format!(
                "the dump is of PostgreSQL {} and was restored by {}: they may write a definition in different ways",
                manifest.server.major,
                scratch.major()
            ));
        }
    }
    let is_good = checks.iter().all(|check| check.state == State::Good);
    if arguments.json {
        say(serde_json::to_string_pretty(&as_json(
            &manifest, &checks, is_good,
        ))?);
    } else {
        checks.iter().for_each(show);
        say(verdict(&manifest, is_good));
    }
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERS)
    })
}

/// Restores the dump into a scratch database.
async fn restore(arguments: &Arguments, manifest: &Manifest) -> Result<Scratch> {
    let reason = format!("the dump was made by pg_dump {}", manifest.pg_dump.version);
    let tool = ClientTool::find("pg_restore", manifest.pg_dump.major, &reason)?;
    let list = list(&tool, &arguments.file, &manifest.schema.name).await?;
    let mut scratch = Scratch::create(&arguments.shadow).await?;
    if scratch.major() < manifest.server.major {
        bail!(
            "the dump is of PostgreSQL {}, and the server of the scratch database is {}: name a newer one by --shadow-url, \
             or by USHER_POSTGRES the folder of its programs",
            manifest.server.version,
            scratch.major()
        );
    }
    let client = scratch.connect().await?;
    scratch
        .ensure_roles(&client, &manifest.schema.roles)
        .await?;
    for schema in manifest.schema.extensions.values() {
        if *schema != manifest.schema.name {
            let making = format!(
                "create schema if not exists \"{}\"",
                schema.replace('"', "\"\"")
            );
            let made = client.batch_execute(&making).await;
            made.with_context(|| format!("cannot make the schema {schema} of an extension"))?;
        }
    }
    drop(client);
    tell(&format!(
        "restoring into {} with {tool}",
        scratch.target().place()
    ));
    let chosen = Draft::create(&env::temp_dir().join("usher-restore"))?;
    chosen.fill(&list)?;
    let url = &scratch.target().url;
    let mut command = tool.command_for(url, "")?;
    command
        .env("LC_ALL", "C")
        .args([
            "--no-password",
            "--no-owner",
            "--single-transaction",
            "--use-list",
        ])
        .arg(chosen.place())
        .arg(format!(
            "--dbname={}",
            url.driver().get_dbname().unwrap_or_default()
        ))
        .arg(&arguments.file);
    Running::start(command)?
        .end(|| "restoring".to_owned())
        .await
        .context("the dump cannot be restored")?;
    Ok(scratch)
}

/// Returns what of the dump is restored: all but what an empty database has, and what new objects will be granted.
async fn list(tool: &ClientTool, dump: &Path, schema: &str) -> Result<String> {
    let mut command = tool.command();
    command.arg("--list").arg(dump);
    let output = spawn_blocking(move || command.output()).await?;
    let output = output.with_context(|| format!("cannot run {tool}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let advice = if said.contains("unsupported version") {
            "; it was made by a newer pg_dump: install the client programs of that version"
        } else {
            ""
        };
        bail!(
            "{tool} cannot read {}: {}{advice}",
            shown(dump),
            said.trim()
        );
    }
    let text = String::from_utf8(output.stdout).context("the list of the dump cannot be read")?;
    let lines = text.lines().filter(|line| is_restored(line, schema));
    Ok(lines.collect::<Vec<_>>().join("\n") + "\n")
}

/// Tells whether an entry such as `6; 2615 2200 SCHEMA - public pg_database_owner` is restored.
fn is_restored(line: &str, schema: &str) -> bool {
    // A remark has no number before the semicolon.
    let Some((_, rest)) = line
        .split_once("; ")
        .filter(|(number, _)| !number.is_empty())
    else {
        return false;
    };
    let entry = rest.splitn(3, ' ').nth(2).unwrap_or_default();
    let is_there = schema == "public"
        && (entry.starts_with("SCHEMA - public ") || entry.starts_with("COMMENT - SCHEMA public "));
    !is_there && !entry.starts_with("DEFAULT ACL ")
}

fn show(check: &Check) {
    let line = format!(
        "{:<11}  {:<9}  {}",
        check.state.as_str(),
        check.name,
        match check.state {
            State::Good => check.what.as_str(),
            _ => "",
        }
    );
    say(line.trim_end());
    for difference in &check.differences {
        for line in difference.lines() {
            say(format_args!("    {line}"));
        }
    }
}

fn verdict(manifest: &Manifest, is_good: bool) -> String {
    if is_good {
        let (database, made_at) = (&manifest.database, &manifest.made_at);
        format!("the dump is a good copy of {database} as of {made_at}")
    } else {
        "the dump is not what its manifest says: do not rely on it, and make a new one".to_owned()
    }
}

fn as_json(manifest: &Manifest, checks: &[Check], is_good: bool) -> serde_json::Value {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "name": check.name.replace(' ', "-"),
                "state": check.state.as_str().replace(' ', "-"),
                "differences": check.differences,
            })
        })
        .collect();
    json!({
        "state": if is_good { "good" } else { "differs" },
        "database": manifest.database,
        "madeAt": manifest.made_at,
        "checks": checks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_empty_database_has_is_not_restored() {
        for (line, expected) in [
            ("; Archive created at 2026-11-24 08:16:03 UTC", false),
            (";", false),
            ("6; 2615 2200 SCHEMA - public pg_database_owner", false),
            ("3603; 0 0 COMMENT - SCHEMA public pg_database_owner", false),
            ("3604; 0 0 ACL - SCHEMA public pg_database_owner", true),
            (
                "3456; 826 16412 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES ada",
                false,
            ),
            ("216; 1259 16478 TABLE public users ada", true),
            ("217; 1259 16479 TABLE public SCHEMA - public ada", true),
        ] {
            assert_eq!(is_restored(line, "public"), expected, "{line}");
        }
        assert!(is_restored("6; 2615 2200 SCHEMA - app ada", "app"));
    }
}
