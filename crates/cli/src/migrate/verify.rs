//! `usher migrate verify`, and the proof of `usher migrate dev`.

use std::{cell::RefCell, collections::BTreeMap, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio_postgres::Client;
use usher_migrate::{Fault, Loss, Migrations, Outcome, Proof};

use super::{Source, deploy::count};
use crate::{
    output::{say, tell},
    scratch::{Scratch, ShadowChoice},
    stop::Stop,
};

/// The exit code when a migration is not proved.
const FAILED: u8 = 7;

/// Proves every migration: applies it, undoes it and applies it again, in a scratch database.
///
/// After the rollback the schema has to be the one before, and after the second time the one after the first. That is
/// tried without rows, and with rows that are made for every table. What a rollback loses of them is told, and that it is
/// refused because of them; neither is a fault. A table that takes no row needs a file `rows.sql` beside a migration,
/// which makes some.
///
/// Exits with 0 when all are proved, with 7 when one is not, with 1 when it cannot be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher migrate verify\n  usher migrate verify --migrations migrations --json\n  usher migrate verify --shadow-url postgresql://postgres@localhost/postgres"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    shadow: ShadowChoice,
    /// Shows the result for programs.
    #[arg(long)]
    json: bool,
}

/// What was tried, and where.
pub(super) struct Verified {
    proofs: Vec<Proof>,
    /// The major version of the server.
    major: u32,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let migrations = arguments.source.read()?;
    let verified = verify(&migrations, &arguments.shadow).await?;
    if arguments.json {
        say(serde_json::to_string_pretty(&verified.as_json())?);
    } else {
        verified.show();
    }
    Ok(verified.code())
}

/// Tries migrations out. A signal ends it in order: no scratch database is left.
pub(super) async fn verify(migrations: &Migrations, shadow: &ShadowChoice) -> Result<Verified> {
    if migrations.iter().next().is_none() {
        bail!("there are no migrations to prove");
    }
    let mut stop = Stop::listen()?;
    let scratches = RefCell::new(Vec::new());
    let fresh = async || -> Result<Client> {
        let scratch = Scratch::create(shadow).await?;
        let client = scratch.connect().await?;
        scratches.borrow_mut().push(scratch);
        Ok(client)
    };
    let proofs = tokio::select! {
        proofs = migrations.verify(fresh, &tell) => proofs?,
        () = stop.wait() => bail!("stopped before the end"),
    };
    let major = scratches.borrow().first().map_or(0, Scratch::major);
    Ok(Verified { proofs, major })
}

impl Verified {
    /// Shows what was found, one migration after the other.
    pub(super) fn show(&self) {
        for proof in &self.proofs {
            let reason = match &proof.outcome {
                Outcome::Irreversible(reason) => format!(": {reason}"),
                _ => String::new(),
            };
            say(format_args!(
                "{:<12}  {}{reason}",
                proof.outcome.as_str(),
                proof.migration
            ));
            proof.faults.iter().for_each(show_fault);
            if !proof.losses.is_empty() {
                let losses: Vec<_> = proof.losses.iter().map(Loss::to_string).collect();
                say(format_args!("    its rollback loses {}", losses.join(", ")));
            }
            if let Some(refusal) = &proof.refusal {
                indent(&format!(
                    "its rollback is refused when there are rows: {refusal}"
                ));
            }
        }
        if let Some(roles) = self.missing_roles() {
            tell(&format!(
                "the server of the scratch database lacks the roles {roles}, so that what is granted to them was not tried"
            ));
        }
        say(self.verdict());
    }

    /// Returns the exit code.
    pub(super) fn code(&self) -> ExitCode {
        match self.failed() {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(FAILED),
        }
    }

    fn failed(&self) -> usize {
        self.proofs.iter().filter(|proof| !proof.is_good()).count()
    }

    fn verdict(&self) -> String {
        let (all, major) = (count(self.proofs.len()), self.major);
        match self.failed() {
            0 => {
                let rows = self.proofs.last().map(|proof| &proof.rows);
                let tables = rows.map_or(0, BTreeMap::len);
                format!(
                    "{all} proved on PostgreSQL {major}, without rows and with rows in {tables} tables"
                )
            }
            failed => format!("{failed} of {all} not proved on PostgreSQL {major}"),
        }
    }

    fn missing_roles(&self) -> Option<String> {
        let roles = &self.proofs.last()?.missing_roles;
        (!roles.is_empty()).then(|| roles.join(", "))
    }

    fn as_json(&self) -> Value {
        let migrations: Vec<_> = self.proofs.iter().map(as_json).collect();
        json!({
            "state": if self.failed() == 0 { "proved" } else { "failed" },
            "server": self.major,
            "migrations": migrations,
        })
    }
}

fn show_fault(fault: &Fault) {
    let place = if fault.with_rows {
        "with rows"
    } else {
        "without rows"
    };
    indent(&format!("{place}: {}", fault.what));
    for difference in &fault.differences {
        indent(&format!("  {difference}"));
    }
}

fn indent(text: &str) {
    for line in text.lines() {
        say(format_args!("    {line}"));
    }
}

fn as_json(proof: &Proof) -> Value {
    let losses = proof.losses.iter().map(
        |loss| json!({ "kind": loss.object.kind, "name": loss.object.name, "rows": loss.rows }),
    );
    let faults = proof.faults.iter().map(|fault| {
        let differences: Vec<_> = fault.differences.iter().map(ToString::to_string).collect();
        json!({ "withRows": fault.with_rows, "what": fault.what, "differences": differences })
    });
    let irreversible = match &proof.outcome {
        Outcome::Irreversible(reason) => Some(reason),
        _ => None,
    };
    json!({
        "name": proof.migration,
        "state": proof.outcome.as_str().replace(' ', "-"),
        "irreversible": irreversible,
        "faults": faults.collect::<Vec<_>>(),
        "losses": losses.collect::<Vec<_>>(),
        "refusal": proof.refusal,
        "rows": proof.rows,
        "missingRoles": proof.missing_roles,
    })
}
