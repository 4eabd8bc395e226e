//! `usher keys rotate`: the lists of the next deploy, with a key to come in each and without those that are over.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use time::{Duration, OffsetDateTime};
use usher_core::{
    passwords::Pepper,
    secret::Secret,
    sessions,
    tokens::{self, SigningKeys},
};

use super::{KeyTexts, list::Rotated, whole_minute, written};
use crate::{
    environment::variable,
    output::{say, tell},
};

/// The least time ahead: those who check tokens may have read the published keys just before the deploy.
const LEAST: i64 = 10;

/// Prints the lists of `USHER_SIGNING_KEYS`, `USHER_SECRET` and `USHER_PEPPER` for the next deploy: each with a key to come,
/// without those that nothing hangs on any more.
///
/// Without `USHER_PEPPER` there is none; `--only USHER_PEPPER` begins with one.
///
/// A key to come is published and accepted from the deploy on, and makes from its date on. It reads the present lists from the
/// environment or from .env, and writes nowhere but to standard output.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  usher keys rotate --minutes 120 > lists\n  # leave out a list that is to stay as it is:\n  usher keys rotate --only USHER_SIGNING_KEYS"
)]
pub(super) struct Arguments {
    /// In how many minutes the new keys begin: after the deploy, and 5 more for those who keep the published keys.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i64).range(LEAST..=43_200))]
    minutes: i64,
    /// The one variable whose list is to be printed.
    #[arg(long, value_parser = ["USHER_SIGNING_KEYS", "USHER_SECRET", "USHER_PEPPER"])]
    only: Option<String>,
}

/// A variable with a list.
struct Listed {
    name: &'static str,
    generate: fn() -> usher_core::Result<String>,
    check: fn(&str) -> Result<(), &'static str>,
    /// How long something can be in use that an older key made; there is no telling for what is stored.
    kept: Option<Duration>,
    /// Whether an instance works without.
    is_optional: bool,
}

const ALL: [Listed; 3] = [
    Listed {
        name: "USHER_SIGNING_KEYS",
        generate: SigningKeys::generate,
        check: |text| SigningKeys::parse(text).map(|_| ()),
        kept: Some(
            tokens::LIFETIME
                .saturating_add(tokens::LEEWAY)
                .saturating_add(tokens::LEEWAY),
        ),
        is_optional: false,
    },
    Listed {
        name: "USHER_SECRET",
        generate: Secret::generate,
        check: |text| Secret::parse(text).map(|_| ()),
        kept: Some(Duration::days(sessions::LIFETIME_DAYS as i64 + 1)),
        is_optional: false,
    },
    Listed {
        name: "USHER_PEPPER",
        generate: Pepper::generate,
        check: |text| Pepper::parse(text).map(|_| ()),
        kept: None,
        is_optional: true,
    },
];

/// Prints the lists, and what to do with them.
pub(super) fn run(arguments: &Arguments, now: OffsetDateTime) -> Result<ExitCode> {
    let since = whole_minute(now + Duration::minutes(arguments.minutes + 1));
    let is_wanted = |listed: &&Listed| match arguments.only.as_deref() {
        Some(only) => only == listed.name,
        None => !listed.is_optional || variable(listed.name).is_some(),
    };
    let mut lists = Vec::new();
    for listed in ALL.iter().filter(is_wanted) {
        lists.push((listed.name, rotate(listed, since, now)?));
    }
    for (name, rotated) in &lists {
        say(format_args!("{name}={}", rotated.text));
    }
    for (name, rotated) in &lists {
        tell(&format!("{name}: {}", explain(rotated)?));
    }
    if lists.iter().all(|(_, rotated)| !rotated.is_added) {
        tell(
            "A key is to come in each list already: there is nothing to rotate before it has begun.",
        );
    } else {
        tell(
            "Set what is printed where the environment is kept, and deploy before the first of these dates; when that \
             cannot be done in time, run this again with more --minutes. All instances change at the date by themselves.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn rotate(listed: &Listed, since: OffsetDateTime, now: OffsetDateTime) -> Result<Rotated> {
    let name = listed.name;
    let Some(text) = variable(name) else {
        if listed.is_optional {
            return first(&(listed.generate)()?, since);
        }
        bail!(
            "{name} is missing; set it in the environment or in .env, or make one with `usher keys`"
        );
    };
    (listed.check)(text.trim()).map_err(|error| anyhow!("{name} {error}"))?;
    let list = KeyTexts::read(text.trim()).with_context(|| name.to_owned())?;
    list.rotate((listed.generate)()?, since, now, listed.kept)
}

/// Returns a list of one key to come.
fn first(new: &str, since: OffsetDateTime) -> Result<Rotated> {
    Ok(Rotated {
        text: format!("{new}@{}", written(since)?),
        next: since,
        is_added: true,
        dropped: 0,
        done: None,
    })
}

fn explain(rotated: &Rotated) -> Result<String> {
    let next = written(rotated.next)?;
    let begins = if rotated.is_added {
        format!("a new key begins at {next}")
    } else {
        format!("the key that is to come begins at {next}")
    };
    let dropped = match rotated.dropped {
        0 => String::new(),
        1 => "; one that is over was left out".to_owned(),
        count => format!("; {count} that are over were left out"),
    };
    let Some(done) = rotated.done else {
        let advice =
            "those before it stay until `usher doctor` says that they seal nothing any more";
        return Ok(format!("{begins}; {advice}."));
    };
    let done = written(done)?;
    Ok(format!(
        "{begins}{dropped}. From {done} on `usher keys rotate` leaves out those before it."
    ))
}
