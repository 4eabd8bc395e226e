//! `usher migrate drift`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use usher_migrate::{Difference, Entry, Live, Migrations, Object, State};

use super::{Direct, Source, deploy::count};
use crate::{
    output::{say, tell},
    scratch::{Scratch, ShadowChoice},
};

const BROKEN: u8 = 4;
const DRIFTED: u8 = 5;

/// Compares the database with what its migrations make in a scratch database.
///
/// Everything is compared: tables, columns, types, defaults, constraints, indexes, triggers, functions, policies, grants,
/// default privileges, comments, owners. What is pending is no drift. The database is only read, in one transaction, by
/// any role that may read the history of the migrations.
///
/// Exits with 0 when both are the same, with 4 when the history is not that of these migrations, with 5 when anything
/// differs.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  DIRECT_URL=postgresql://… usher migrate drift\n  usher migrate drift --json --shadow-url postgresql://postgres@localhost/postgres\n  usher migrate drift --ignore 'grant * to reporting' --ignore 'index users_country_idx'"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    shadow: ShadowChoice,
    /// Leaves out the objects of this name, written as the list has it; `*` stands for anything. Can be given again.
    #[arg(long, value_name = "PATTERN")]
    ignore: Vec<String>,
    /// Shows the result for programs.
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Found {
    place: String,
    live: Live,
    differences: Vec<Difference>,
    ignored: usize,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (opened, mut client) = arguments.direct.open().await?;
    let migrations = arguments.source.read()?;
    let place = opened.target.place();
    tell(&format!("comparing {place} with what its migrations make"));
    let live = migrations.look(&mut client).await?;
    drop(client);
    if !arguments.json {
        history(&live).iter().for_each(say);
    }
    let all = differences(arguments, &migrations, &live).await?;
    let is_ignored = |difference: &Difference| {
        let name = difference.object().to_string();
        arguments
            .ignore
            .iter()
            .any(|pattern| matches(pattern, &name))
    };
    for pattern in &arguments.ignore {
        if !all
            .iter()
            .any(|one| matches(pattern, &one.object().to_string()))
        {
            tell(&format!(
                "nothing that differs is called {pattern}: leave out that --ignore"
            ));
        }
    }
    let (ignored, differences): (Vec<_>, Vec<_>) = all.into_iter().partition(is_ignored);
    let found = Found {
        place,
        live,
        differences,
        ignored: ignored.len(),
    };
    if arguments.json {
        say(serde_json::to_string_pretty(&as_json(&found))?);
    } else {
        found.differences.iter().for_each(say);
        say(verdict(&found));
    }
    Ok(ExitCode::from(code(&found)))
}

/// Makes the schema a second time and compares.
async fn differences(
    arguments: &Arguments,
    migrations: &Migrations,
    live: &Live,
) -> Result<Vec<Difference>> {
    let mut scratch = Scratch::create(&arguments.shadow).await?;
    if let Some(line) = warning(live.major, scratch.major()) {
        tell(&line);
    }
    let mut empty = scratch.connect().await?;
    scratch
        .ensure_roles(&empty, &live.surroundings.roles)
        .await?;
    Ok(migrations.drift(live, &mut empty).await?)
}

/// Says what a comparison of two versions of Postgres is worth.
fn warning(live: u32, scratch: u32) -> Option<String> {
    (live != scratch).then(|| {
        format!(
            "the database is on PostgreSQL {live} and is compared with one on {scratch}, which may write a definition in \
             another way or grant something else from the start: name a server of the same version by --shadow-url, or by \
             USHER_POSTGRES the folder of its programs"
        )
    })
}

/// Tells what comes before any difference: whether these migrations are the ones that made the database.
fn history(live: &Live) -> Vec<String> {
    let broken = broken(live);
    let mut lines: Vec<_> = broken
        .map(|entry| format!("{:<12}  {}", entry.state, entry.name))
        .collect();
    if !lines.is_empty() {
        lines.push(
            "the history is not that of these migrations, so that what follows may come from there; \
             `usher migrate deploy` says what to do"
                .to_owned(),
        );
    }
    if live.version() == 0 {
        lines.push(
            "no migration is applied: `usher migrate deploy` applies them, `usher migrate adopt` takes over a database \
             of Prisma"
                .to_owned(),
        );
    } else if live.status.has_pending() {
        lines.push(format!(
            "{} pending, which is no drift; compared is version {}",
            match pending(live).count() {
                1 => "1 migration is".to_owned(),
                number => format!("{} are", count(number)),
            },
            live.version()
        ));
    }
    lines
}

fn broken(live: &Live) -> impl Iterator<Item = &Entry> {
    live.status
        .entries
        .iter()
        .filter(|entry| entry.state.is_broken())
}

fn pending(live: &Live) -> impl Iterator<Item = &str> {
    let entries = live.status.entries.iter();
    entries
        .filter(|entry| entry.state == State::Pending)
        .map(|entry| entry.name.as_str())
}

fn code(found: &Found) -> u8 {
    if found.live.status.is_broken() {
        BROKEN
    } else if found.differences.is_empty() {
        0
    } else {
        DRIFTED
    }
}

fn verdict(found: &Found) -> String {
    let ignored = match found.ignored {
        0 => String::new(),
        1 => "; 1 difference is ignored".to_owned(),
        number => format!("; {number} differences are ignored"),
    };
    let place = &found.place;
    match found.differences.len() {
        0 => format!("{place} is what its migrations make{ignored}"),
        number => format!(
            "{place} differs in {}: + is there alone, - is missing there, ~ is another one there{ignored}\n\
             undo it there, or write a migration that does it everywhere",
            match number {
                1 => "1 object".to_owned(),
                number => format!("{number} objects"),
            }
        ),
    }
}

fn as_json(found: &Found) -> Value {
    let state = match code(found) {
        BROKEN => "broken",
        DRIFTED => "drifted",
        _ => "clean",
    };
    let broken: Vec<_> = broken(&found.live)
        .map(|entry| json!({ "name": entry.name, "state": entry.state.as_str().replace(' ', "-") }))
        .collect();
    json!({
        "state": state,
        "database": found.place,
        "version": found.live.version(),
        "pending": pending(&found.live).collect::<Vec<_>>(),
        "broken": broken,
        "differences": found.differences.iter().map(difference).collect::<Vec<_>>(),
        "ignored": found.ignored,
    })
}

fn difference(difference: &Difference) -> Value {
    let (change, expected, found) = match difference {
        Difference::Added { definition, .. } => ("added", None, Some(definition)),
        Difference::Removed { definition, .. } => ("removed", Some(definition), None),
        Difference::Changed { from, to, .. } => ("changed", Some(from), Some(to)),
    };
    let Object { kind, name } = difference.object();
    json!({ "change": change, "kind": kind, "name": name, "expected": expected, "found": found })
}

/// Tells whether a name fits a pattern, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    ends.into_iter()
        .any(|at| matches(rest, name.get(at..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_postgres_is_warned_of() {
        assert_eq!(warning(17, 17), None);
        let line = warning(14, 17).unwrap();
        assert!(
            line.starts_with("the database is on PostgreSQL 14 and"),
            "{line}"
        );
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, expected) in [
            ("grant table users to reporting", true),
            ("grant * to reporting", true),
            ("*", true),
            ("grant*reporting", true),
            ("*users*port*", true),
            ("grant * to report", false),
            ("table users", false),
            ("grant **reporting", true),
            ("", false),
        ] {
            assert_eq!(
                matches(pattern, "grant table users to reporting"),
                expected,
                "{pattern}"
            );
        }
    }
}
