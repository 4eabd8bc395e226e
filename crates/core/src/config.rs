//! The configuration of an instance: environment variables only, each checked once at the start.

use std::{fmt, time::Duration};

use crate::{
    Database, DatabaseUrl, MailOptions, Replica, UrlError,
    limits::Limits,
    passwords::{Cost, Pepper},
    secret::Secret,
    tls,
    tokens::SigningKeys,
};
use usher_domain::SignUp;

const DEFAULT_GRACE_DAYS: i32 = 30;
/// The service of Have I Been Pwned.
const PWNED_PASSWORDS: &str = "https://api.pwnedpasswords.com/range/";
const DEFAULT_MAX_LAG: Duration = Duration::from_secs(10);

/// Says which variable is missing or wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {message}")]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong, and the fix.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(variable: &'static str, message: impl fmt::Display) -> Self {
        Self {
            variable,
            message: message.to_string(),
        }
    }
}

/// Where an instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Details are kept to the logs. The default.
    Production,
    /// On a developer's machine: details are shown, queries are logged.
    Development,
}

/// Everything an instance is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database (`DATABASE_URL`).
    pub database: DatabaseUrl,
    /// A replica of it for heavy reads.
    pub replica: Option<ReplicaOptions>,
    /// The keys that sign access tokens (`USHER_SIGNING_KEYS`).
    pub signing_keys: SigningKeys,
    /// The secret behind refresh tokens and cursors (`USHER_SECRET`).
    pub secret: Secret,
    /// Who signs access tokens: the public origin of the deployment (`USHER_ISSUER`).
    pub issuer: String,
    /// Whom access tokens are for (`USHER_AUDIENCE`); the issuer unless told.
    pub audience: String,
    /// Where the instance runs (`USHER_ENV`).
    pub environment: Environment,
    /// Who knows it sees the details of the health report (`USHER_HEALTH_TOKEN`).
    pub health_token: Option<String>,
    /// Who knows it may run the jobs of the scheduler (`CRON_SECRET`).
    pub cron_secret: Option<String>,
    /// What hashing a password costs (`USHER_ARGON2`).
    pub cost: Cost,
    /// What stored hashes are sealed with (`USHER_PEPPER`).
    pub pepper: Option<Pepper>,
    /// Where passwords of leaks are listed, if they are to be looked for (`USHER_PWNED_PASSWORDS`).
    pub leaks: Option<String>,
    /// Who may register (`USHER_SIGN_UP`); in production nobody unless told.
    pub sign_up: SignUp,
    /// Whether people may sign in with a link or a code by mail (`USHER_MAIL_SIGN_IN`); not unless told.
    pub mail_sign_in: bool,
    /// How often things may be tried (`USHER_LIMITS`).
    pub limits: Limits,
    /// For how many days the deletion of an account can be undone (`USHER_DELETION_GRACE_DAYS`); 30 unless told.
    pub deletion_grace_days: i32,
    /// How mails are sent.
    pub mail: MailOptions,
}

impl Config {
    /// Reads the environment of the process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables from wherever they are; an empty one counts as missing.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let database = database_url("DATABASE_URL", get)?;
        let issuer = issuer(get)?;
        let environment = environment(get)?;
        let usual_sign_up = match environment {
            Environment::Production => SignUp::Closed,
            Environment::Development => SignUp::Open,
        };
        Ok(Self {
            database,
            replica: ReplicaOptions::from_variables(get)?,
            signing_keys: required(
                "USHER_SIGNING_KEYS",
                get,
                "make one with `cargo usher keys`",
                SigningKeys::parse,
            )?,
            secret: required(
                "USHER_SECRET",
                get,
                "make one with `cargo usher keys`",
                Secret::parse,
            )?,
            audience: get("USHER_AUDIENCE").unwrap_or_else(|| issuer.clone()),
            issuer,
            environment,
            health_token: bearer_token("USHER_HEALTH_TOKEN", get)?,
            cron_secret: bearer_token("CRON_SECRET", get)?,
            cost: optional("USHER_ARGON2", get, Cost::parse)?.unwrap_or_default(),
            pepper: optional("USHER_PEPPER", get, Pepper::parse)?,
            leaks: optional("USHER_PWNED_PASSWORDS", get, leaks)?.flatten(),
            sign_up: optional("USHER_SIGN_UP", get, SignUp::parse)?.unwrap_or(usual_sign_up),
            mail_sign_in: optional("USHER_MAIL_SIGN_IN", get, switch)?.unwrap_or_default(),
            limits: optional("USHER_LIMITS", get, Limits::parse)?.unwrap_or_default(),
            deletion_grace_days: optional("USHER_DELETION_GRACE_DAYS", get, grace_days)?
                .unwrap_or(DEFAULT_GRACE_DAYS),
            mail: MailOptions::from_variables(get)?,
        })
    }

    /// Makes the database with its replica, without connecting.
    pub fn open_database(&self) -> Database {
        let replica = self.replica.clone().map(Replica::new);
        Database::replicated(self.database.clone(), replica)
    }
}

/// Where a replica is, and when it is of use.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// The replica (`DATABASE_REPLICA_URL`).
    pub url: DatabaseUrl,
    /// How old its data may be (`DATABASE_REPLICA_MAX_LAG`); 10 seconds unless told.
    pub max_lag: Duration,
}

impl ReplicaOptions {
    /// Reads variables from wherever they are; without the first one there is no replica.
    pub fn from_variables(
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        const URL: &str = "DATABASE_REPLICA_URL";
        let max_lag = optional("DATABASE_REPLICA_MAX_LAG", &get, max_lag)?;
        if get(URL).is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            url: database_url(URL, get)?,
            max_lag: max_lag.unwrap_or(DEFAULT_MAX_LAG),
        }))
    }
}

fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

fn grace_days(text: &str) -> Result<i32, &'static str> {
    match text.parse() {
        Ok(days @ 1..=365) => Ok(days),
        _ => Err("must be a whole number of days from 1 to 365"),
    }
}

fn max_lag(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be a whole number of seconds from 1 to 3600"),
    }
}

/// Reads a connection string from a variable of that name.
pub fn database_url(
    variable: &'static str,
    get: impl Fn(&str) -> Option<String>,
) -> Result<DatabaseUrl, ConfigError> {
    let allow_plaintext = match get("USHER_ALLOW_PLAINTEXT_DATABASE").as_deref() {
        Some("true") => true,
        None | Some("" | "false") => false,
        Some(_) => {
            return Err(ConfigError::new(
                "USHER_ALLOW_PLAINTEXT_DATABASE",
                "must be true or false",
            ));
        }
    };
    let text = get(variable)
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| {
            ConfigError::new(
                variable,
                "is missing; set it to postgresql://user:password@host:5432/database",
            )
        })?;
    let read = || {
        let url = DatabaseUrl::parse(&text, allow_plaintext)?;
        tls::check_authorities(&url)?;
        Ok(url)
    };
    read().map_err(|error: UrlError| ConfigError::new(variable, error))
}

fn issuer(get: impl Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    let refuse = |message| ConfigError::new("USHER_ISSUER", message);
    let text = get("USHER_ISSUER").ok_or_else(|| {
        refuse("is missing; set it to the public origin, such as https://id.example.com")
    })?;
    let is_origin = url::Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if is_origin {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(refuse("must be an origin such as https://id.example.com"))
    }
}

/// Reads `on`, `off` or the address of another service of the same kind.
fn leaks(text: &str) -> Result<Option<String>, &'static str> {
    const WRONG: &str =
        "must be on, off, or an address such as https://api.pwnedpasswords.com/range/";
    match text {
        "off" => return Ok(None),
        "on" => return Ok(Some(PWNED_PASSWORDS.to_owned())),
        _ => {}
    }
    let url = url::Url::parse(text).map_err(|_| WRONG)?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_spoken = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_spoken && is_bare && url.password().is_none() {
        Ok(Some(text.to_owned()))
    } else {
        Err(WRONG)
    }
}

fn environment(get: impl Fn(&str) -> Option<String>) -> Result<Environment, ConfigError> {
    match get("USHER_ENV").as_deref() {
        None | Some("production") => Ok(Environment::Production),
        Some("development") => Ok(Environment::Development),
        Some(_) => Err(ConfigError::new(
            "USHER_ENV",
            "must be production or development",
        )),
    }
}

/// Reads a text that nobody is to guess, and that arrives in a header as it is.
fn bearer_token(
    variable: &'static str,
    get: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, ConfigError> {
    let text = get(variable);
    let fits_into_a_header = |text: &str| {
        text.len() >= 16
            && text.trim() == text
            && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    if text.as_deref().is_none_or(fits_into_a_header) {
        return Ok(text);
    }
    Err(ConfigError::new(
        variable,
        "must be at least 16 characters of ASCII, without a space at either end",
    ))
}

fn required<T, E: fmt::Display>(
    variable: &'static str,
    get: impl Fn(&str) -> Option<String>,
    hint: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, ConfigError> {
    optional(variable, get, parse)?
        .ok_or_else(|| ConfigError::new(variable, format!("is missing; {hint}")))
}

fn optional<T, E: fmt::Display>(
    variable: &'static str,
    get: impl Fn(&str) -> Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, ConfigError> {
    get(variable)
        .map(|text| parse(text.trim()).map_err(|error| ConfigError::new(variable, error)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", "postgresql://u@localhost/app".to_owned()),
            ("USHER_SIGNING_KEYS", SigningKeys::generate().unwrap()),
            ("USHER_SECRET", Secret::generate().unwrap()),
            ("USHER_ISSUER", "https://id.example.com/".to_owned()),
        ]
    }

    fn read(variables: &[(&'static str, String)]) -> Result<Config, ConfigError> {
        Config::from_variables(|name| {
            let found = variables.iter().rev().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn four_variables_are_enough() {
        let config = read(&complete()).unwrap();
        assert_eq!(config.issuer, "https://id.example.com");
        assert_eq!(config.audience, config.issuer);
        assert_eq!(config.environment, Environment::Production);
    }

    #[test]
    fn a_missing_or_wrong_variable_is_named_with_its_fix() {
        for missing in [
            "DATABASE_URL",
            "USHER_SIGNING_KEYS",
            "USHER_SECRET",
            "USHER_ISSUER",
        ] {
            let mut variables = complete();
            variables.push((missing, " ".to_owned()));
            let error = read(&variables).unwrap_err();
            assert_eq!(error.variable, missing);
            assert!(error.to_string().contains("is missing; "), "{error}");
        }
        for (variable, value) in [
            ("DATABASE_URL", "mysql://x"),
            (
                "DATABASE_URL",
                "postgres://u@h/d?sslrootcert=/nowhere/ca.pem",
            ),
            ("DATABASE_REPLICA_URL", "mysql://x"),
            ("DATABASE_REPLICA_MAX_LAG", "0"),
            ("DATABASE_REPLICA_MAX_LAG", "10s"),
            ("USHER_SIGNING_KEYS", "AAAA"),
            ("USHER_SECRET", "c2hvcnQ"),
            ("USHER_ISSUER", "id.example.com"),
            ("USHER_ENV", "staging"),
            ("USHER_HEALTH_TOKEN", "short"),
            ("CRON_SECRET", "fifteen letters"),
            ("CRON_SECRET", "sixteen letters and "),
            ("CRON_SECRET", "séventeen letters"),
            ("USHER_ARGON2", "m=1,t=1,p=1"),
            ("USHER_PEPPER", "c2hvcnQ"),
            ("USHER_PWNED_PASSWORDS", "yes"),
            ("USHER_PWNED_PASSWORDS", "http://api.example.com/range/"),
            (
                "USHER_PWNED_PASSWORDS",
                "https://user@api.example.com/range/",
            ),
            ("USHER_ALLOW_PLAINTEXT_DATABASE", "yes"),
            ("USHER_SIGN_UP", "everybody"),
            ("USHER_LIMITS", "off"),
            ("USHER_MAIL_SIGN_IN", "yes"),
            ("USHER_DELETION_GRACE_DAYS", "0"),
            ("USHER_DELETION_GRACE_DAYS", "366"),
            ("MAIL_URL", "smtp://"),
            ("MAIL_FROM", "nobody"),
            ("MAIL_TEMPLATES", "/nowhere/at/all"),
        ] {
            let mut variables = complete();
            variables.push((variable, value.to_owned()));
            assert_eq!(read(&variables).unwrap_err().variable, variable);
        }
    }
}
