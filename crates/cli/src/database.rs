//! Which database a command works on, and a connection to it outside of the pool.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio_postgres::{
    Client, Config, NoTls, Socket,
    config::{Host, SslMode},
    tls::MakeTlsConnect,
};
use usher_core::{DatabaseUrl, config::database_url, connector};

use crate::{
    data_folder::DataFolder, environment::variable, output::tell, own_database::OwnDatabase, pooler,
};

/// Where a connection string may stand, a direct one before one that may lead to a pooler.
pub(crate) const VARIABLES: [&str; 5] = [
    "MIGRATE_DATABASE_URL",
    "DIRECT_URL",
    "DATABASE_URL_UNPOOLED",
    "POSTGRES_URL_NON_POOLING",
    "DATABASE_URL",
];

/// Stands for the variable when the database is the one of `usher dev`.
const OWN: &str = "the database of `usher dev`";

/// A server that sleeps takes some seconds to wake up.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Which database to work on.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// The connection string; a variable keeps its password out of the list of processes.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// The folder of the database of `usher dev`, which is used when no variable names another [default: .dev]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// A connection string, and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The variable or option that it came from.
    pub(crate) variable: &'static str,
    /// The string, understood.
    pub(crate) url: DatabaseUrl,
    /// What makes it a pooler, when it is one.
    pub(crate) pooler: Option<String>,
}

/// A target, with the server behind it when this command runs it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Where to connect.
    pub(crate) target: Target,
    /// The database of `usher dev`, when it is that one.
    pub(crate) own: Option<OwnDatabase>,
}

impl Target {
    /// Reads the string of one variable or option.
    pub(crate) fn read(
        variable: &'static str,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let text = get(variable).unwrap_or_default();
        let url = database_url(variable, get)?;
        let pooler = pooler::sign(&text, url.driver());
        Ok(Self {
            variable,
            url,
            pooler,
        })
    }

    /// Returns the target of the option, or else of the first variable that is set.
    pub(crate) fn choose(
        option: Option<&str>,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>> {
        const OPTION: &str = "--database-url";
        if let Some(text) = option {
            let get = |name: &str| {
                if name == OPTION {
                    Some(text.to_owned())
                } else {
                    get(name)
                }
            };
            return Self::read(OPTION, get).map(Some);
        }
        let is_set = |name: &&&str| get(name).is_some_and(|value| !value.trim().is_empty());
        let first = VARIABLES.iter().find(is_set);
        first.map(|name| Self::read(name, &get)).transpose()
    }

    /// Returns host, port and name, without user and password.
    pub(crate) fn place(&self) -> String {
        place(self.url.driver())
    }

    /// Returns the machine it is on, when it has a name.
    pub(crate) fn host(&self) -> Option<String> {
        match self.url.driver().get_hosts().first() {
            Some(Host::Tcp(name)) => Some(name.clone()),
            _ => None,
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<Client> {
        self.connect_as(self.url.driver()).await
    }

    /// Opens a connection to the database that every server has.
    pub(crate) async fn connect_beside(&self) -> Result<Client> {
        let mut driver = self.url.driver().clone();
        driver.dbname("postgres");
        self.connect_as(&driver).await
    }

    /// Opens a connection, or returns none when a pooler answers: it cannot pass on what a session starts with.
    pub(crate) async fn connect_directly(&self) -> Result<Option<Client>> {
        let mut driver = self.url.driver().clone();
        let options = driver.get_options().unwrap_or_default();
        // What the server would do anyway.
        let options = format!("{options} -c lock_timeout=0");
        driver.options(&options);
        match self.connect_as(&driver).await {
            Ok(client) => Ok(Some(client)),
            Err(error) if is_unsupported(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn connect_as(&self, driver: &Config) -> Result<Client> {
        let connected = tokio::time::timeout(CONNECT_LIMIT, connect(&self.url, driver)).await;
        let failed = || format!("cannot connect to {} ({})", self.place(), self.variable);
        connected
            .context("no answer within 30 s")
            .and_then(|connected| connected)
            .with_context(failed)
    }
}

impl Opened {
    /// Finds the database of a command: the one it is told, or else the one of `usher dev`.
    pub(crate) async fn find(choice: &Choice) -> Result<Self> {
        if let Some(target) = Target::choose(choice.database_url.as_deref(), variable)? {
            return Ok(Self { target, own: None });
        }
        let place = DataFolder::place(choice.data_dir.as_deref())?;
        if !place.join("postgres").is_dir() {
            bail!(
                "DATABASE_URL is missing; set it to postgresql://user:password@host:5432/database, or let `usher dev` \
                 make a database of its own"
            );
        }
        Self::own(DataFolder::open(&place)?, &tell).await
    }

    /// Starts the database of `usher dev`.
    pub(crate) async fn own(
        folder: DataFolder,
        progress: &'static (dyn Fn(&str) + Sync),
    ) -> Result<Self> {
        let own = OwnDatabase::start(folder, progress).await?;
        let url = own.url().to_owned();
        let target = Target::read(OWN, |name| (name == OWN).then(|| url.clone()))?;
        Ok(Self {
            target,
            own: Some(own),
        })
    }
}

fn place(driver: &Config) -> String {
    let host = match driver.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => driver
            .get_hostaddrs()
            .first()
            .map(ToString::to_string)
            .unwrap_or_default(),
    };
    let port = driver.get_ports().first().unwrap_or(&5432);
    format!("{host}:{port}/{}", driver.get_dbname().unwrap_or_default())
}

async fn connect(url: &DatabaseUrl, driver: &Config) -> Result<Client> {
    if driver.get_ssl_mode() == SslMode::Disable {
        return Ok(open(driver, NoTls).await?);
    }
    Ok(open(driver, connector(url)?).await?)
}

/// Tells whether the other side was no server: a pooler cannot pass on what a session starts with.
fn is_unsupported(error: &anyhow::Error) -> bool {
    let driver = error.downcast_ref::<tokio_postgres::Error>();
    let answer = driver.and_then(tokio_postgres::Error::as_db_error);
    answer.is_some_and(|answer| answer.message().contains("unsupported startup parameter"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command is no function: nothing freezes it"
)]
async fn open<T>(driver: &Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = driver.connect(tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(option: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Target>> {
        Target::choose(option, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_direct_connection_comes_before_a_pooled_one() {
        let variables: Vec<_> = VARIABLES.map(|name| (name, "postgres://u@h/d")).to_vec();
        for first in 0..VARIABLES.len() {
            let target = choose(None, &variables[first..]).unwrap().unwrap();
            assert_eq!(target.variable, VARIABLES[first]);
        }
        let given = choose(Some("postgres://u@other/d"), &variables).unwrap();
        assert_eq!(given.unwrap().place(), "other:5432/d");
    }

    #[test]
    fn an_empty_variable_counts_as_missing() {
        let variables = [("DIRECT_URL", " "), ("DATABASE_URL", "postgres://u@h/d")];
        let target = choose(None, &variables).unwrap().unwrap();
        assert_eq!(target.variable, "DATABASE_URL");
        assert!(choose(None, &variables[..1]).unwrap().is_none());
    }

    #[test]
    fn a_wrong_string_is_named_by_its_variable_and_not_shown() {
        let error = choose(None, &[("DIRECT_URL", "mysql://u:hunter2@h/d")]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("DIRECT_URL is not") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
