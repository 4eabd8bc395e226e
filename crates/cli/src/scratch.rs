//! An empty database for what a command has to try out. It is dropped when the command is done with it, however it ends.
//!
//! A command that is killed cannot drop it, so that the next one does, once it is a day old.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use tokio::{runtime, sync::OnceCell, task::spawn_blocking};
use tokio_postgres::{Client, types::Type};
use usher_devdb::{Cluster, throw_away_cluster_with};
use usher_domain::Clock;

use crate::{database::Target, environment::variable, output::tell};

/// Names the server for scratch databases.
const VARIABLE: &str = "SHADOW_DATABASE_URL";
const OPTION: &str = "--shadow-url";

/// How the name of a scratch database begins; the second of its making and a random number follow.
const PREFIX: &str = "usher_scratch_";

/// How long a scratch database is left alone, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// The throw-away server of this process.
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();

/// Where a scratch database is made.
#[derive(Debug, Default, Args)]
pub(crate) struct ShadowChoice {
    /// Makes the scratch database on this server, beside the database named, instead of on a server that is started for
    /// it and thrown away; `SHADOW_DATABASE_URL` does the same. Its role has to be allowed to create databases.
    #[arg(long, value_name = "URL")]
    shadow_url: Option<String>,
}

/// An empty database, which is dropped when this is.
#[derive(Debug)]
pub(crate) struct Scratch {
    name: String,
    target: Target,
    server: Target,
    major: u32,
    roles: Vec<String>,
}

impl ShadowChoice {
    /// Returns the connection string that was given, with the option or variable that gave it.
    fn given(&self) -> Option<(&'static str, String)> {
        let option = self.shadow_url.clone().map(|url| (OPTION, url));
        option.or_else(|| variable(VARIABLE).map(|url| (VARIABLE, url)))
    }
}

impl Scratch {
    /// Makes the database: on the server that was chosen, or else on one that ends with this process.
    pub(crate) async fn create(choice: &ShadowChoice) -> Result<Self> {
        Self::create_with(choice, &[]).await
    }

    /// Makes the database; when a server has to be started for it, then with these settings besides the usual ones.
    pub(crate) async fn create_with(
        choice: &ShadowChoice,
        settings: &'static [&'static str],
    ) -> Result<Self> {
        let (variable, text) = match choice.given() {
            Some(given) => given,
            None => ("the throw-away server", throw_away(settings).await?),
        };
        let server = read(variable, &text)?;
        let Some(client) = server
            .connect_directly()
            .await?
            .filter(|_| server.pooler.is_none())
        else {
            bail!(
                "{variable} leads to a transaction pooler, which knows nothing of a new database: set it to the \
                 connection string without the pooler"
            );
        };
        let row = client
            .query_typed_one(
                "select current_setting('server_version_num')::integer / 10000 as major",
                &[],
            )
            .await
            .with_context(|| format!("{} does not answer", server.place()))?;
        let major: i32 = row.try_get("major")?;
        let now = Clock::default().now().unix_timestamp();
        sweep(&client, now).await;
        let name = format!("{PREFIX}{now}_{:016x}", random());
        let making = format!("create database {name} template template0 encoding 'UTF8'");
        client.batch_execute(&making).await.with_context(|| {
            format!(
                "cannot make a scratch database beside {}: its role has to be allowed to create databases",
                server.place()
            )
        })?;
        Ok(Self {
            target: read(variable, &beside(&text, &name))?,
            name,
            server,
            major: major.unsigned_abs(),
            roles: Vec::new(),
        })
    }

    /// Opens a connection to the database.
    pub(crate) async fn connect(&self) -> Result<Client> {
        self.target.connect().await
    }

    /// Returns where the database is.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the major version of the server, such as 17.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// Makes the roles that the server does not have, without a way to sign in. They go with the database.
    pub(crate) async fn ensure_roles(&mut self, client: &Client, roles: &[String]) -> Result<()> {
        for role in roles {
            let row = client
                .query_typed_one(
                    "select exists (select from pg_roles where rolname = $1) as is_there",
                    &[(role, Type::TEXT)],
                )
                .await
                .context("cannot look for a role")?;
            if row.try_get("is_there")? {
                continue;
            }
            let making = format!("create role {} nologin", quote(role));
            client.batch_execute(&making).await.with_context(|| {
                format!(
                    "the server of the scratch database lacks the role {role}, and it cannot be made: let an \
                     administrator run `create role {role} nologin`, or leave {OPTION} and {VARIABLE} out"
                )
            })?;
            self.roles.push(role.clone());
        }
        Ok(())
    }

    /// Drops the database and the roles that were made for it.
    async fn clear(server: &Target, name: &str, roles: &[String]) -> Result<()> {
        let client = server.connect().await?;
        let dropping = format!("drop database if exists {} with (force)", quote(name));
        client.batch_execute(&dropping).await?;
        for role in roles {
            // Another scratch database may use it meanwhile.
            let _ = client
                .batch_execute(&format!("drop role if exists {}", quote(role)))
                .await;
        }
        Ok(())
    }
}

impl Drop for Scratch {
    /// Waits until the database is gone. In a thread of its own, since a destructor cannot wait for the runtime around it.
    fn drop(&mut self) {
        let (server, name, roles) = (&self.server, &self.name, &self.roles);
        let dropping = || -> Result<()> {
            runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(Self::clear(server, name, roles))
        };
        let dropped = thread::scope(|scope| {
            let dropped = scope.spawn(dropping).join();
            dropped.unwrap_or_else(|_| Err(anyhow!("it was given up")))
        });
        if let Err(error) = dropped {
            tell(&format!(
                "the scratch database {name} is still there, drop it: {error:#}"
            ));
        }
    }
}

/// Starts the server of this process, or finds it started, and returns its connection string.
async fn throw_away(settings: &'static [&'static str]) -> Result<String> {
    let start = || async {
        tell("starting a server for a scratch database");
        let started = spawn_blocking(|| throw_away_cluster_with(settings, &tell)).await;
        started
            .context("the start of the server was given up")?
            .with_context(|| {
                format!(
                    "there is no server for a scratch database; {OPTION} or {VARIABLE} can name one"
                )
            })
    };
    let cluster = CLUSTER.get_or_try_init(start).await?;
    Ok(cluster.url("postgres"))
}

fn read(variable: &'static str, text: &str) -> Result<Target> {
    Target::read(variable, |name| {
        if name == variable {
            Some(text.to_owned())
        } else {
            self::variable(name)
        }
    })
}

/// Drops what commands left behind that were killed. Who may not do that leaves it to others.
async fn sweep(client: &Client, now: i64) {
    let statement =
        "select datname::text as name from pg_database where starts_with(datname::text, $1)";
    let found = client
        .query_typed(statement, &[(&PREFIX, Type::TEXT)])
        .await;
    for row in found.unwrap_or_default() {
        let Ok(name) = row.try_get::<_, String>("name") else {
            continue;
        };
        if is_left_over(&name, now) {
            let dropping = format!("drop database if exists {} with (force)", quote(&name));
            let _ = client.batch_execute(&dropping).await;
        }
    }
}

/// Tells whether a name is that of a scratch database that nobody can be working with any more.
fn is_left_over(name: &str, now: i64) -> bool {
    let made = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'))
        .and_then(|(second, _)| second.parse::<i64>().ok());
    made.is_some_and(|made| now.saturating_sub(made) > DAY)
}

/// Returns the connection string of another database of the same server.
fn beside(text: &str, database: &str) -> String {
    let text = text.trim().trim_matches(['"', '\'']);
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let authority = rest.split('/').next().unwrap_or_default();
    let others = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("dbname="));
    let query = others.collect::<Vec<_>>().join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}/{database}{mark}{query}")
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Writes a name so that it can stand in a statement.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
