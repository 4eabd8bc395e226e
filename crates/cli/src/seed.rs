//! `usher seed`: the first administrator, once.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use usher_core::{
    Author, Connection, Constraint, Database, Error,
    passwords::{Cost, Owner, Passwords, Pepper},
    secret,
    users::{self, Count},
};
use usher_domain::{
    Email, Name, NewUser, Origin, Password, Permission, RoleName, RoleSet, UserAgent, UserFilter,
};

use crate::{
    database::{self, Opened},
    environment::variable,
    output::say,
};

/// The sign-in of development, known to everybody.
pub(crate) const DEFAULT_EMAIL: &str = "admin@example.com";
/// The password to it.
pub(crate) const DEFAULT_PASSWORD: &str = "correct horse battery staple";

const ROLES: [&str; 2] = ["admin", "user"];

/// Creates the administrator of `SEED_ADMIN_EMAIL` and `SEED_ADMIN_PASSWORD`, unless the account is there.
///
/// With `USHER_ENV=development`, and in the database of `usher dev`, both have a default.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  SEED_ADMIN_EMAIL=ada@example.com SEED_ADMIN_PASSWORD='four words in a row' usher seed"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: database::Choice,
}

/// An administrator to be.
pub(crate) struct Admin {
    email: Email,
    password: Password,
    is_default: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The account was made.
    Created,
    /// There is such an account, and it was left as it is.
    Existed,
    /// There are other accounts, and none was made with a password that everybody knows.
    Withheld,
}

/// Creates the administrator and says so.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let opened = Opened::find(&arguments.database).await?;
    let is_own = opened.own.is_some();
    let is_development = variable("USHER_ENV").as_deref() == Some("development");
    let admin = Admin::read(variable, is_own || is_development)?;
    let cost = match variable("USHER_ARGON2") {
        Some(text) => Cost::parse(&text).map_err(|error| anyhow!("USHER_ARGON2 {error}"))?,
        None => Cost::default(),
    };
    let pepper = match variable("USHER_PEPPER") {
        Some(text) => {
            Some(Pepper::parse(text.trim()).map_err(|error| anyhow!("USHER_PEPPER {error}"))?)
        }
        None => None,
    };
    let passwords = Passwords::new(cost).with_pepper(pepper);
    let email = admin.email.clone();
    let database = Database::new(opened.target.url.clone());
    let outcome = seed(&database, &passwords, admin, is_own).await?;
    database.close_idle(std::time::Duration::ZERO);
    match outcome {
        Outcome::Created => say(format_args!(
            "created {email} with the roles {}",
            ROLES.join(" and ")
        )),
        Outcome::Existed => say(format_args!(
            "{email} is there already; nothing was changed"
        )),
        Outcome::Withheld => bail!(
            "{} has users already, so that no admin with a well-known password is made: set SEED_ADMIN_EMAIL and \
             SEED_ADMIN_PASSWORD",
            opened.target.place()
        ),
    }
    Ok(ExitCode::SUCCESS)
}

impl Admin {
    /// Reads the variables. The default takes their place only when it is allowed.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>, allows_default: bool) -> Result<Self> {
        let (email, password) = (get("SEED_ADMIN_EMAIL"), get("SEED_ADMIN_PASSWORD"));
        let is_default = email.is_none() && password.is_none();
        let (email, password) = match (email, password) {
            (Some(email), Some(password)) => (email, password),
            (None, None) if allows_default => (DEFAULT_EMAIL.into(), DEFAULT_PASSWORD.into()),
            (None, None) => bail!(
                "SEED_ADMIN_EMAIL and SEED_ADMIN_PASSWORD are missing; set both: only with USHER_ENV=development is \
                 there a default"
            ),
            (None, Some(_)) => {
                bail!("SEED_ADMIN_EMAIL is missing; set it beside SEED_ADMIN_PASSWORD")
            }
            (Some(_), None) => {
                bail!("SEED_ADMIN_PASSWORD is missing; set it beside SEED_ADMIN_EMAIL")
            }
        };
        Ok(Self {
            email: Email::parse(&email).map_err(|error| anyhow!("SEED_ADMIN_EMAIL {error}"))?,
            password: Password::parse(&password)
                .map_err(|error| anyhow!("SEED_ADMIN_PASSWORD {error}"))?,
            is_default,
        })
    }

    /// Returns the address.
    pub(crate) fn email(&self) -> &Email {
        &self.email
    }

    /// Tells whether the password is the one that everybody knows.
    pub(crate) fn is_default(&self) -> bool {
        self.is_default
    }
}

/// Creates the administrator, unless there is such an account.
///
/// One with the well-known password is made only in a database of our own, or in one without any users: an address on
/// this machine may be a tunnel to anywhere.
pub(crate) async fn seed(
    database: &Database,
    passwords: &Passwords,
    admin: Admin,
    is_own: bool,
) -> Result<Outcome> {
    let connection = database.connection().await?;
    let found = users::find_credentials(&connection, &admin.email).await;
    if found.map_err(explain)?.is_some() {
        return Ok(Outcome::Existed);
    }
    if admin.is_default && !is_own {
        let users = users::count(&connection, &UserFilter::default(), Count::Exact).await?;
        if users > 0 {
            return Ok(Outcome::Withheld);
        }
    }
    insert(&connection, passwords, admin).await
}

async fn insert(connection: &Connection, passwords: &Passwords, admin: Admin) -> Result<Outcome> {
    let roles = ROLES.map(RoleName::parse).into_iter();
    let new = NewUser {
        name: Name::parse("Admin")?,
        email: admin.email,
        roles: RoleSet::new(roles.collect::<Result<_, _>>()?)?,
        is_active: true,
        avatar_url: None,
    };
    let origin = Origin {
        ip: None,
        user_agent: Some(UserAgent::from_text("usher seed")),
        request_id: secret::request_id(),
    };
    let hash = passwords
        .hash(admin.password, Owner::Address(&new.email))
        .await?;
    let everything = Permission::ALL
        .iter()
        .map(|permission| permission.as_str())
        .collect();
    let author = Author::nobody(&origin);
    match users::insert(connection, author, &new, Some(&hash), &everything).await {
        Ok(Some(_)) => Ok(Outcome::Created),
        Ok(None) => bail!(
            "the role admin allows something that this build does not know: use the newest `usher`"
        ),
        // Somebody else was faster.
        Err(Error::Conflict(Constraint::EmailTaken)) => Ok(Outcome::Existed),
        Err(error) => Err(explain(error)),
    }
}

fn explain(error: Error) -> anyhow::Error {
    match error {
        Error::SchemaOutdated { .. } => {
            anyhow!("the database lacks tables of this build: run `usher migrate deploy` first")
        }
        other => anyhow::Error::new(other).context("cannot create the administrator"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], allows_default: bool) -> Result<Admin, String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Admin::read(get, allows_default).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_is_for_development_alone() {
        let admin = read(&[], true).unwrap();
        assert!(admin.is_default() && admin.email().as_str() == DEFAULT_EMAIL);
        let error = read(&[], false).err().unwrap();
        assert!(error.contains("SEED_ADMIN_EMAIL"), "{error}");
    }

    #[test]
    fn half_of_a_sign_in_or_a_bad_one_is_named() {
        let email = ("SEED_ADMIN_EMAIL", "ada@example.com");
        for (variables, named) in [
            (vec![email], "SEED_ADMIN_PASSWORD is missing"),
            (
                vec![("SEED_ADMIN_PASSWORD", DEFAULT_PASSWORD)],
                "SEED_ADMIN_EMAIL is missing",
            ),
            (
                vec![email, ("SEED_ADMIN_PASSWORD", "short")],
                "SEED_ADMIN_PASSWORD must be",
            ),
        ] {
            let error = read(&variables, true).err().unwrap();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
