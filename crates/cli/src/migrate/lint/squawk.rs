//! squawk, a linter of migrations that knows the grammar of Postgres: its findings, in the words of ours where both have a
//! rule for the same thing.

use std::{collections::BTreeMap, io::ErrorKind, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use usher_migrate::{Finding, Migration, Migrations};

const PROGRAM: &str = "squawk";

/// Rules about what the deploy sees to itself: it limits the wait for locks, and a file is one transaction.
const NOT_HERE: &str = "require-lock-timeout,require-statement-timeout,prefer-robust-stmts,ban-uncommitted-transaction";

/// Its names for rules of ours.
const SAME: [(&str, &str); 17] = [
    ("adding-field-with-default", "table-rewrite"),
    ("adding-foreign-key-constraint", "blocking-constraint"),
    ("adding-not-nullable-field", "set-not-null"),
    ("adding-required-field", "required-column"),
    ("adding-serial-primary-key-field", "table-rewrite"),
    (
        "ban-concurrent-index-creation-in-transaction",
        "outside-transaction",
    ),
    ("ban-drop-column", "breaks-older-functions"),
    ("ban-drop-table", "breaks-older-functions"),
    ("ban-truncate-cascade", "blocking-statement"),
    ("changing-column-type", "type-change"),
    ("constraint-missing-not-valid", "blocking-constraint"),
    ("disallowed-unique-constraint", "blocking-constraint"),
    ("renaming-column", "breaks-older-functions"),
    ("renaming-table", "breaks-older-functions"),
    ("require-concurrent-index-creation", "blocking-index"),
    ("require-concurrent-index-deletion", "blocking-index"),
    ("transaction-nesting", "transaction-statement"),
];

/// A finding as it writes it; lines are counted from 0.
#[derive(Deserialize)]
struct Found {
    file: String,
    line: usize,
    message: String,
    help: Option<String>,
    rule_name: String,
}

/// Returns the version of the program, when it is installed.
pub(super) fn version() -> Result<Option<String>> {
    let output = match Command::new(PROGRAM).arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output.context("squawk is installed and cannot be run")?,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().strip_prefix("squawk ") {
        Some(version) if output.status.success() => Ok(Some(version.to_owned())),
        _ => bail!(
            "squawk is installed and does not tell its version: install it anew, or take it out of the PATH"
        ),
    }
}

/// Returns what it finds. Not in rollbacks, which are there to take things away.
pub(super) fn findings(folder: &Path, migrations: &Migrations) -> Result<Vec<Finding>> {
    let (together, alone): (Vec<_>, Vec<_>) = migrations
        .iter()
        .partition(|migration| migration.is_transactional());
    let mut findings = Vec::new();
    for (migrations, options) in [(together, &["--assume-in-transaction"][..]), (alone, &[])] {
        if !migrations.is_empty() {
            findings.extend(look(folder, &migrations, options)?);
        }
    }
    Ok(findings)
}

fn look(folder: &Path, migrations: &[&Migration], options: &[&str]) -> Result<Vec<Finding>> {
    let files = migrations.iter().map(|migration| {
        let file = format!("{0}/{0}.sql", migration.name());
        (folder.join(&file).display().to_string(), file)
    });
    let files: BTreeMap<_, _> = files.collect();
    let output = Command::new(PROGRAM)
        .args(["--reporter", "json", "--exclude", NOT_HERE])
        .args(options)
        .args(files.keys())
        .output()
        .context("squawk cannot be run")?;
    let found: Vec<Found> = serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "squawk failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )
    })?;
    let finding = |found: Found| {
        let same = SAME.iter().find(|(theirs, _)| *theirs == found.rule_name);
        let page = || format!("squawk explains {}", found.rule_name);
        Ok(Finding {
            file: files
                .get(&found.file)
                .context("squawk speaks of a file that it was not given")?
                .clone(),
            line: found.line + 1,
            advice: found.help.unwrap_or_else(page),
            what: found.message,
            rule: same
                .map_or(found.rule_name.as_str(), |(_, ours)| ours)
                .to_owned(),
        })
    };
    found.into_iter().map(finding).collect()
}
