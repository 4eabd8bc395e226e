//! `usher migrate lint`.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use usher_migrate::{Finding, Findings, Migrations};

use super::deploy::count;
use crate::{
    checkout::{self, shown},
    output::{say, tell},
};

mod squawk;

/// The exit code when something was found.
const FOUND: u8 = 8;

const INSTALL: &str = "`pip install squawk-cli`, or `npm install -g squawk-cli`";

/// Finds in the text of migrations what a deploy would trip over, or what would hold up those who use the database.
///
/// Statements about transactions, `concurrently` inside of one, a missing rollback, locks that block a table of an earlier
/// migration, what functions of the release before still use, and more. When squawk is installed, its rules are tried too.
///
/// A finding is accepted by a line in the file, `-- lint: allow RULE because REASON`. Migrations that databases have cannot
/// change: for those, `lint.txt` beside them has the lines, each after the name of the migration.
///
/// Exits with 0 when nothing is found, with 8 when something is, with 1 when it cannot be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher migrate lint\n  usher migrate lint --with-squawk --json"
)]
pub(crate) struct Arguments {
    /// The folder of the migrations [default: migrations of the checkout]
    #[arg(long, value_name = "FOLDER")]
    migrations: Option<PathBuf>,
    /// Fails when squawk is not installed, instead of going without it.
    #[arg(long)]
    with_squawk: bool,
    /// Shows the result for programs.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = match &arguments.migrations {
        Some(folder) => folder.clone(),
        None => checkout::needed()?.join("migrations"),
    };
    let migrations = Migrations::from_folder(&folder)
        .with_context(|| format!("no migrations in {}", shown(&folder)))?;
    let accepted = accepted(&folder.join(Migrations::ACCEPTED))?;
    let squawk = squawk::version()?;
    if arguments.with_squawk && squawk.is_none() {
        bail!("squawk is not installed: {INSTALL}");
    }
    let look = || squawk::findings(&folder, &migrations);
    let others = squawk.is_some().then(look).transpose()?;
    let findings = migrations.lint(&accepted, others);
    if arguments.json {
        say(serde_json::to_string_pretty(&as_json(
            &findings,
            squawk.as_deref(),
        ))?);
    } else {
        show(&folder, &migrations, &findings, squawk.as_deref());
    }
    Ok(match findings.open.len() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FOUND),
    })
}

/// Reads the list of what is accepted; there may be none.
fn accepted(file: &Path) -> Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("cannot read {}", shown(file))),
    }
}

fn show(folder: &Path, migrations: &Migrations, findings: &Findings, squawk: Option<&str>) {
    for Finding {
        file,
        line,
        rule,
        what,
        advice,
    } in &findings.open
    {
        let place = shown(&folder.join(file));
        say(format_args!("{place}:{line}: {rule}: {what}; {advice}"));
    }
    for (finding, reason) in &findings.accepted {
        let place = shown(&folder.join(&finding.file));
        tell(&format!(
            "{place}:{}: {} is accepted, because {reason}",
            finding.line, finding.rule
        ));
    }
    let squawk = match squawk {
        Some(version) => format!("squawk {version} ran too"),
        None => format!("squawk did not run, since it is not installed: {INSTALL}"),
    };
    let found = match findings.open.len() {
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        number => format!("{number} findings"),
    };
    let count = count(migrations.iter().count());
    say(format_args!(
        "{found} in {count}, {} accepted; {squawk}",
        findings.accepted.len()
    ));
}

fn as_json(findings: &Findings, squawk: Option<&str>) -> Value {
    let show = |finding: &Finding| {
        json!({
            "file": finding.file,
            "line": finding.line,
            "rule": finding.rule,
            "what": finding.what,
            "advice": finding.advice,
        })
    };
    let open: Vec<_> = findings.open.iter().map(show).collect();
    let accepted = findings.accepted.iter().map(|(finding, reason)| {
        let mut shown = show(finding);
        shown["reason"] = json!(reason);
        shown
    });
    json!({
        "state": if open.is_empty() { "clean" } else { "findings" },
        "squawk": squawk,
        "findings": open,
        "accepted": accepted.collect::<Vec<_>>(),
    })
}
