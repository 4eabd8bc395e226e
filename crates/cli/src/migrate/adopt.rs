//! `usher migrate adopt`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use usher_core::passwords::PasswordHash;
use usher_domain::{AvatarUrl, Email, Invalid, Name, RoleName, RoleSet};
use usher_migrate::{AdoptOptions, Candidate, LOCK_WAIT, Migrations, Objection, Step};

use super::{
    Direct,
    deploy::{advice, summary},
};
use crate::{
    confirm::confirm,
    output::{say, tell},
};

/// What a password has to be, and what to do when it is not.
const PASSWORD: &str = "must be an argon2 hash that can be checked here, set it to '' for those who are to get another \
                        one or use --drop-passwords, which does so for all hashes of another kind";

/// Takes over a database of Prisma: the tables `users` and `audit_logs` become those of usher, with all their rows.
///
/// Ids, passwords hashed by argon2, roles, times and the audit log stay what they are. It is one transaction, and writes
/// the migrations into the history as a deploy would. Before it, everything that is not recognised is named with what to
/// do about it, and nothing is changed. Stop the old application first: it cannot use the new tables.
///
/// The old tables stay in the schema `prisma`, `_prisma_migrations` among them. Once they are not needed any more:
/// drop schema prisma cascade.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  DIRECT_URL=postgresql://… usher migrate adopt --dry-run\n  pg_dump -Fc -f before.dump DATABASE && usher migrate adopt\n  usher migrate adopt --create-roles --yes"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    consent: Consent,
    /// Checks everything, shows the SQL, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Does not ask.
    #[arg(long)]
    yes: bool,
}

/// What is done with rows that do not fit, when somebody agrees to it.
#[derive(Debug, Args)]
struct Consent {
    /// Registers the roles that users hold and usher does not know; they allow nothing until somebody says what.
    #[arg(long)]
    create_roles: bool,
    /// Leaves out passwords that are no argon2 hash, such as those of bcrypt: their owners need another one.
    #[arg(long)]
    drop_passwords: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (opened, mut client) = arguments.direct.open().await?;
    let place = opened.target.place();
    let migrations = Migrations::embedded()?;
    let options = AdoptOptions {
        creates_roles: arguments.consent.create_roles,
        drops_passwords: arguments.consent.drop_passwords,
        judge: &judge,
        lock_wait: LOCK_WAIT,
        progress: &tell,
    };
    let survey = migrations.survey(&mut client, &options).await?;
    for note in &survey.notes {
        tell(&format!("note: {note}"));
    }
    survey.refuse()?;
    if arguments.dry_run {
        say("begin;\n");
        for Step { title, sql } in migrations.adoption(&survey, &options).await? {
            say(format_args!("-- {title}\n{}\n", sql.trim_end()));
        }
        say("commit;\n\n-- then: usher migrate deploy");
        return Ok(ExitCode::SUCCESS);
    }
    tell(&format!("{survey} of {place} would be adopted"));
    confirm(arguments.yes, "adopt")?;
    let adopted = migrations.adopt(&mut client, &survey, &options).await?;
    say(format_args!("adopted {}", adopted.survey));
    say(summary(&adopted.deployed)?);
    if !adopted.deployed.missing_roles.is_empty() {
        tell(&advice(&adopted.deployed.missing_roles));
    }
    say(
        "the old tables are in the schema prisma; once they are not needed any more: drop schema prisma cascade",
    );
    Ok(ExitCode::SUCCESS)
}

/// Says what is wrong with a user: what the types refuse could be stored, and never be read again.
fn judge(user: &Candidate<'_>) -> Vec<Objection> {
    let name = Name::parse(user.name);
    let email = Email::parse(user.email);
    let avatar_url = user.avatar_url.map(AvatarUrl::parse).transpose();
    let roles: Result<_, _> = user
        .roles
        .iter()
        .map(|role| RoleName::parse(role))
        .collect();
    let password = user
        .password
        .map(|hash| PasswordHash::parse(hash).is_some());
    let text = |rule: Option<String>| {
        rule.map(|rule| format!("{rule}, correct it with `update users set … where id = …`"))
    };
    let faults = [
        ("name", text(broken(&name, Name::as_str, user.name))),
        ("email", text(broken(&email, Email::as_str, user.email))),
        (
            "avatarUrl",
            text(avatar_url.err().map(|invalid| invalid.to_string())),
        ),
        (
            "roles",
            text(
                roles
                    .and_then(RoleSet::new)
                    .err()
                    .map(|invalid| invalid.to_string()),
            ),
        ),
        (
            "password",
            (password == Some(false)).then(|| PASSWORD.to_owned()),
        ),
    ];
    let objection = |(column, rule): (_, Option<_>)| {
        Some(Objection {
            column,
            rule: rule?,
        })
    };
    faults.into_iter().filter_map(objection).collect()
}

/// Returns the rule that a text breaks. Space around it was taken away before, so far as SQL can do that.
fn broken<T>(parsed: &Result<T, Invalid>, as_str: fn(&T) -> &str, text: &str) -> Option<String> {
    match parsed {
        Err(invalid) => Some(invalid.to_string()),
        Ok(parsed) => (as_str(parsed) != text).then(|| "must have no space around it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$77UfmnZYT23WpPeUKhovauWm5OxRQv9nTf1dJ+tF5EY";

    fn user() -> Candidate<'static> {
        Candidate {
            name: "Ada",
            email: "ada@example.com",
            password: Some(HASH),
            roles: vec!["user"],
            avatar_url: Some("https://example.com/a.png"),
        }
    }

    #[test]
    fn what_can_be_read_again_is_taken() {
        assert_eq!(judge(&user()), []);
        let bare = Candidate {
            password: None,
            avatar_url: None,
            ..user()
        };
        assert_eq!(judge(&bare), []);
    }

    #[test]
    fn what_could_not_be_read_again_is_objected_to() {
        let greedy = HASH.replace("65536", "9999999");
        for (column, value, rule) in [
            ("name", "A\u{202e}da", "must not contain control"),
            ("name", "\u{a0}Ada", "must have no space around"),
            ("name", "", "must not be blank"),
            ("email", "ada", "must be an e-mail address"),
            ("email", "É@example.com", "must be an e-mail address"),
            ("avatarUrl", "/a.png", "must be an absolute"),
            ("roles", "Admin", "must be a lower-case letter"),
            (
                "password",
                "$2b$10$abcdefghijklmnopqrstuv",
                "must be an argon2",
            ),
            ("password", &greedy, "must be an argon2"),
        ] {
            let mut user = user();
            match column {
                "name" => user.name = value,
                "email" => user.email = value,
                "avatarUrl" => user.avatar_url = Some(value),
                "password" => user.password = Some(value),
                _ => user.roles = vec![value],
            }
            let objections = judge(&user);
            let is_told = |one: &Objection| one.column == column && one.rule.starts_with(rule);
            assert!(
                objections.len() == 1 && is_told(&objections[0]),
                "{value}: {objections:?}"
            );
        }
        let roles: Vec<_> = (0..17).map(|number| format!("r{number}")).collect();
        let many = Candidate {
            roles: roles.iter().map(String::as_str).collect(),
            ..user()
        };
        assert!(judge(&many)[0].rule.starts_with("must be 1 to 16 roles"));
    }
}
