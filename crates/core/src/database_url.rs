//! Connection strings as people have them, made into what the driver understands.
//!
//! Strings written for Prisma, libpq or a hosting panel carry parameters that the driver refuses. Each is either
//! understood here, or refused by its name; the string itself is never shown, since it holds a password.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Host, SslMode};

const DEFAULT_POOL_SIZE: usize = 3;

/// Parameters that the driver understands as they are.
const PASSED_ON: [&str; 16] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "target_session_attrs",
    "user",
];

/// Parameters that ask for what this product does anyway, or that mean something to another client only.
const NEEDLESS: [&str; 8] = [
    "client_encoding",
    "gssencmode",
    "pool_mode",
    "socket_timeout",
    "sslsni",
    "supa",
    "uselibpqcompat",
    "workaround",
];

/// Says what is wrong with a connection string.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is not a connection string at all.
    #[error(
        "is not a PostgreSQL connection string such as postgresql://user:password@host:5432/database"
    )]
    Malformed,
    /// The user or the password holds an @ as it is.
    #[error("has more than one @; write %40 for an @ in a password")]
    Password,
    /// A parameter is not known.
    #[error("has the parameter {0:?}, which is not supported; remove it")]
    Unknown(String),
    /// The certificate authorities cannot be read.
    #[error("names sslrootcert={path}, which cannot be used: {reason}")]
    Authorities {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("cannot be used with TLS: {0}")]
    Tls(String),
    /// A parameter has a value that cannot be honoured.
    #[error("has {parameter}={value}, which is not supported; {hint}")]
    Unsupported {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        hint: &'static str,
    },
}

/// A connection string, cleaned and understood.
#[derive(Clone, Debug)]
pub struct DatabaseUrl {
    /// What the driver needs.
    pub(crate) driver: tokio_postgres::Config,
    /// The most connections of one instance (`connection_limit`).
    pub(crate) pool_size: usize,
    /// How long a request waits for a connection (`pool_timeout`).
    pub(crate) pool_wait: Duration,
    /// Whether statements are prepared under names (`prepared_statements`); a connection finds out when nothing is said.
    pub(crate) prepares: Option<bool>,
    /// A file with the certificate authorities to trust instead of the public ones (`sslrootcert`).
    pub(crate) root_certificates: Option<PathBuf>,
}

/// What the parameters of a string asked for, beside what the driver is told.
struct Asked {
    passed_on: Vec<String>,
    ssl_mode: Option<SslMode>,
    pool_size: usize,
    pool_wait: Duration,
    prepares: Option<bool>,
    root_certificates: Option<PathBuf>,
}

impl DatabaseUrl {
    /// Reads a connection string; `allow_plaintext` permits a connection without TLS to another machine.
    pub fn parse(text: &str, allow_plaintext: bool) -> Result<Self, UrlError> {
        let text = text.trim().trim_matches(['"', '\'']);
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        if !is_url {
            return Err(UrlError::Malformed);
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        // Between the first and the last @ would be a part of the password, taken for the host and shown in errors.
        if base.matches('@').count() > 1 {
            return Err(UrlError::Password);
        }
        let asked = Asked::read(query)?;
        let cleaned = match asked.passed_on.as_slice() {
            [] => base.to_owned(),
            parameters => format!("{base}?{}", parameters.join("&")),
        };
        let mut driver =
            tokio_postgres::Config::from_str(&cleaned).map_err(|_| UrlError::Malformed)?;
        if driver.get_hosts().is_empty() && driver.get_hostaddrs().is_empty() {
            return Err(UrlError::Malformed);
        }
        driver.ssl_mode(ssl_mode(&driver, asked.ssl_mode, allow_plaintext));
        set_timeouts(&mut driver);
        Ok(Self {
            driver,
            pool_size: asked.pool_size,
            pool_wait: asked.pool_wait,
            prepares: asked.prepares,
            root_certificates: asked.root_certificates,
        })
    }

    /// Returns what to hand to the driver for a connection outside the pool, such as a deploy's.
    pub fn driver(&self) -> &tokio_postgres::Config {
        &self.driver
    }

    /// Returns the file with the certificate authorities to trust, when one was named.
    pub fn root_certificates(&self) -> Option<&Path> {
        self.root_certificates.as_deref()
    }

    /// Returns whether statements are prepared under names, when the string says so.
    pub fn prepares(&self) -> Option<bool> {
        self.prepares
    }

    /// Tells whether the database is on this machine.
    pub fn is_local(&self) -> bool {
        is_local(&self.driver)
    }
}

impl Asked {
    fn read(query: &str) -> Result<Self, UrlError> {
        let mut asked = Self {
            passed_on: Vec::new(),
            ssl_mode: None,
            pool_size: DEFAULT_POOL_SIZE,
            pool_wait: Duration::from_secs(2),
            prepares: None,
            root_certificates: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            asked.take(pair, name, &percent_decode_str(value).decode_utf8_lossy())?;
        }
        Ok(asked)
    }

    fn take(&mut self, pair: &str, name: &str, value: &str) -> Result<(), UrlError> {
        match name {
            "sslmode" => self.ssl_mode = Some(parse_ssl_mode(value)?),
            "connection_limit" => {
                self.pool_size = parse_number("connection_limit", value, 1..=1000)?;
            }
            "pool_timeout" => {
                let seconds = parse_number("pool_timeout", value, 1..=60)?;
                self.pool_wait = Duration::from_secs(seconds as u64);
            }
            "prepared_statements" => self.prepares = Some(parse_boolean(value)?),
            // How other clients are told that there is a pooler which keeps none.
            "pgbouncer" | "statement_cache_size" | "prepareThreshold" => {
                if matches!((name, value), ("pgbouncer", "true") | (_, "0")) {
                    self.prepares.get_or_insert(false);
                }
            }
            "sslrootcert" if value == "system" => {}
            "sslrootcert" => self.root_certificates = Some(PathBuf::from(value)),
            "schema" if value == "public" => {}
            "schema" => {
                return Err(UrlError::Unsupported {
                    parameter: "schema",
                    value: value.to_owned(),
                    hint: "the tables live in the schema public: use a database of its own",
                });
            }
            "sslaccept" if value == "strict" => {}
            name if PASSED_ON.contains(&name) => self.passed_on.push(pair.to_owned()),
            name if NEEDLESS.contains(&name) => {}
            name => return Err(UrlError::Unknown(name.to_owned())),
        }
        Ok(())
    }
}

fn parse_number(
    parameter: &'static str,
    value: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, UrlError> {
    value
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| UrlError::Unsupported {
            parameter,
            value: value.to_owned(),
            hint: "use a small whole number",
        })
}

fn parse_boolean(value: &str) -> Result<bool, UrlError> {
    value.parse().map_err(|_| UrlError::Unsupported {
        parameter: "prepared_statements",
        value: value.to_owned(),
        hint: "use true or false",
    })
}

/// Certificates are always verified with their host name, so that all the stricter modes are one.
fn parse_ssl_mode(value: &str) -> Result<SslMode, UrlError> {
    match value {
        "disable" => Ok(SslMode::Disable),
        "allow" | "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(UrlError::Unsupported {
            parameter: "sslmode",
            value: value.to_owned(),
            hint: "use verify-full, and sslrootcert for a private certificate authority",
        }),
    }
}

/// Decides on TLS: always to another machine, and on this one when asked for.
fn ssl_mode(
    driver: &tokio_postgres::Config,
    asked: Option<SslMode>,
    allow_plaintext: bool,
) -> SslMode {
    let is_free = is_local(driver) || allow_plaintext;
    match asked {
        Some(SslMode::Require) => SslMode::Require,
        Some(mode) if is_free => mode,
        None if is_local(driver) => SslMode::Disable,
        _ => SslMode::Require,
    }
}

fn is_local(driver: &tokio_postgres::Config) -> bool {
    let addresses_are_local = driver
        .get_hostaddrs()
        .iter()
        .all(std::net::IpAddr::is_loopback);
    addresses_are_local
        && driver.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                let name: Cow<'_, str> = name.trim_matches(['[', ']']).into();
                name == "localhost"
                    || name
                        .parse()
                        .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        })
}

/// Bounds how long a dead network goes unnoticed, as far as the string does not say it.
fn set_timeouts(driver: &mut tokio_postgres::Config) {
    let untold = tokio_postgres::Config::new();
    if driver.get_connect_timeout().is_none() {
        driver.connect_timeout(Duration::from_millis(2500));
    }
    if driver.get_keepalives_idle() == untold.get_keepalives_idle() {
        driver.keepalives_idle(Duration::from_secs(30));
    }
    if driver.get_keepalives_interval().is_none() {
        driver.keepalives_interval(Duration::from_secs(10));
    }
    driver.tcp_user_timeout(Duration::from_secs(10));
    if driver.get_application_name().is_none() {
        driver.application_name("usher");
    }
}

#[cfg(test)]
mod tests;
