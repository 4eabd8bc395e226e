//! The variables of an instance, each read alone, so that all that is wrong is told at once.

use std::collections::HashMap;

use anyhow::Result;
use usher_core::{Config, secret::Secret, tokens::SigningKeys};

use super::report::Report;

/// What is known of a variable beside how it is read.
struct Known {
    name: &'static str,
    /// What stands in when it is missing; nothing does for one that an instance needs.
    otherwise: Option<&'static str>,
    /// Whether its value may be shown.
    is_open: bool,
}

const KNOWN: [Known; 21] = [
    needed("DATABASE_URL", false),
    optional(
        "DATABASE_REPLICA_URL",
        "the primary answers all reads",
        false,
    ),
    optional("DATABASE_REPLICA_MAX_LAG", "10", true),
    needed("USHER_SIGNING_KEYS", false),
    needed("USHER_SECRET", false),
    needed("USHER_ISSUER", true),
    optional("USHER_AUDIENCE", "the issuer", true),
    optional("USHER_ENV", "production", true),
    optional(
        "USHER_HEALTH_TOKEN",
        "nobody sees the details of /api/health",
        false,
    ),
    optional(
        "CRON_SECRET",
        "there is no /api/cron/maintain and no /api/cron/mails",
        false,
    ),
    optional("USHER_ARGON2", "m=19456,t=2,p=1", true),
    optional("USHER_PEPPER", "stored hashes are not sealed", false),
    optional(
        "USHER_PWNED_PASSWORDS",
        "passwords of leaks are not looked for",
        true,
    ),
    optional(
        "USHER_SIGN_UP",
        "nobody may register, or in development anybody",
        true,
    ),
    optional("USHER_MAIL_SIGN_IN", "off", true),
    optional("USHER_LIMITS", "the usual limits, see docs/limits.md", true),
    optional("USHER_DELETION_GRACE_DAYS", "30", true),
    optional("MAIL_URL", "mails wait in the outbox", false),
    optional("MAIL_FROM", "no sender, which MAIL_URL needs", true),
    optional("MAIL_TEMPLATES", "the texts of this build", true),
    optional(
        "USHER_ALLOW_PLAINTEXT_DATABASE",
        "TLS to another machine",
        true,
    ),
];

const fn needed(name: &'static str, is_open: bool) -> Known {
    Known {
        name,
        otherwise: None,
        is_open,
    }
}

const fn optional(name: &'static str, otherwise: &'static str, is_open: bool) -> Known {
    Known {
        name,
        otherwise: Some(otherwise),
        is_open,
    }
}

/// Checks every variable.
pub(super) fn check(
    report: &mut Report,
    get: &impl Fn(&str) -> Option<String>,
    is_development: bool,
) -> Result<()> {
    for known in &KNOWN {
        let name = known.name;
        let value = get(name);
        let read = Config::from_variables(with(name, value.as_deref().unwrap_or_default())?);
        match (value, known.otherwise, read) {
            (None, Some(otherwise), _) => report.ok(name, format_args!("not set: {otherwise}")),
            (None, None, _) if is_development => {
                report.warn(
                    name,
                    "not set: `usher dev` has a value, `usher serve` needs one",
                );
            }
            (_, _, Err(error)) => report.fail(name, error.message),
            (Some(value), _, Ok(_)) if name == "USHER_ISSUER" && !is_development => {
                issuer(report, &value);
            }
            (Some(value), _, Ok(_)) if known.is_open => report.ok(name, value),
            (Some(_), _, Ok(_)) => report.ok(name, "can be read"),
            (None, None, Ok(_)) => {}
        }
    }
    Ok(())
}

fn issuer(report: &mut Report, value: &str) {
    if value.starts_with("https://") {
        report.ok("USHER_ISSUER", value);
    } else {
        let advice = "not https: set it to the public origin of the deployment";
        report.warn("USHER_ISSUER", format_args!("{value} is {advice}"));
    }
}

/// Returns variables that are all good, but for this one.
pub(super) fn with(name: &str, value: &str) -> Result<impl Fn(&str) -> Option<String>> {
    let mut variables = HashMap::from([
        (
            "DATABASE_URL",
            "postgres://usher@localhost/usher".to_owned(),
        ),
        ("USHER_SIGNING_KEYS", SigningKeys::generate()?),
        ("USHER_SECRET", Secret::generate()?),
        ("USHER_ISSUER", "https://id.example.com".to_owned()),
        ("MAIL_FROM", "no-reply@example.com".to_owned()),
    ]);
    variables.insert(name, value.to_owned());
    let variables: HashMap<String, String> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Ok(move |name: &str| variables.get(name).cloned())
}
