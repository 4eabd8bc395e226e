//! The database that is measured: one made for it, or one that was named and holds nobody real.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use tokio_postgres::{Client, types::Type};

use super::{address::Address, people::DOMAIN};
use crate::{
    database::Target,
    environment::variable,
    migrate,
    output::tell,
    scratch::{Scratch, ShadowChoice},
};

/// The role that functions run as.
const APP_ROLE: &str = "usher_app";

/// Settings of the server that is started: more memory than for tests.
const THROW_AWAY: &[&str] = &["shared_buffers=256MB"];
/// The same, and every commit is on the disk before it is answered.
const DURABLE: &[&str] = &[
    "shared_buffers=256MB",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "autovacuum=on",
    "checkpoint_timeout=5min",
];

/// Which database to measure.
#[derive(Debug, Args)]
pub(super) struct PlaceChoice {
    /// Loads the users into this database instead of one that is made and dropped. It must hold no users, or only those
    /// of an earlier run, which are used again. What is loaded stays. Variables never name it.
    #[arg(long, value_name = "URL", conflicts_with = "shadow_url")]
    database_url: Option<String>,
    /// Goes on although the named database holds real users. They are not changed, but lists read them too, and what is
    /// loaded stays beside them.
    #[arg(long, requires = "database_url")]
    beside_real_users: bool,
    #[command(flatten)]
    shadow: ShadowChoice,
    /// Lets the server that is started forget what it was told when the machine fails, which makes writing cheap: budgets
    /// of writing are not judged then.
    #[arg(long, conflicts_with_all = ["database_url", "shadow_url"])]
    throw_away: bool,
}

/// The measured database. A scratch database is dropped with this.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) server: ServerFacts,
    pub(super) address: Address,
    target: Target,
    /// Keeps the database.
    _scratch: Option<Scratch>,
}

/// What decides about times on the side of the server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerFacts {
    pub(super) version: String,
    /// Whether a commit is on the disk before it is answered.
    pub(super) is_durable: bool,
    /// The role of the measured sessions.
    pub(super) role: String,
    pub(super) connections: usize,
    pub(super) settings: BTreeMap<String, String>,
}

impl Place {
    /// Finds or makes the database, and brings its schema up to date.
    pub(super) async fn open(choice: &PlaceChoice) -> Result<Self> {
        let (target, scratch) = if let Some(text) = &choice.database_url {
            let Some(target) = Target::choose(Some(text), variable)? else {
                bail!("--database-url is empty: name a database");
            };
            (target, None)
        } else {
            let settings = if choice.throw_away {
                THROW_AWAY
            } else {
                DURABLE
            };
            let scratch = Scratch::create_with(&choice.shadow, settings).await?;
            (scratch.target().clone(), Some(scratch))
        };
        if let Some(sign) = &target.pooler {
            bail!(
                "{} leads to a transaction pooler ({sign}), whose times are not those of the database: name the database \
                 without it",
                target.variable
            );
        }
        let client = target.connect().await?;
        if !holds_real_users(&client).await? {
            migrate::deploy(&target, &tell).await?;
        } else if !choice.beside_real_users {
            bail!(
                "{} holds real users, so that nothing was done: name an empty database, or use --beside-real-users",
                target.place()
            );
        } else if !migrate::status(&target).await?.is_clean() {
            bail!(
                "{} does not have the schema of this build: run `usher migrate deploy` first",
                target.place()
            );
        }
        let role = is_member(&client).await?.then_some(APP_ROLE);
        Ok(Self {
            server: ServerFacts::read(&client, role).await?,
            address: Address::new(target.url.clone(), role),
            target,
            _scratch: scratch,
        })
    }

    /// Opens a connection of the owner.
    pub(super) async fn connect(&self) -> Result<Client> {
        self.target.connect().await
    }

    pub(super) fn name(&self) -> String {
        self.target.place()
    }
}

impl ServerFacts {
    async fn read(client: &Client, role: Option<&str>) -> Result<Self> {
        const SETTINGS: &str = "
            select
              name,
              current_setting(name) as value
            from pg_settings
            where name = any($1)
            order by name";
        const NAMES: [&str; 8] = [
            "fsync",
            "full_page_writes",
            "jit",
            "max_connections",
            "server_version",
            "shared_buffers",
            "synchronous_commit",
            "work_mem",
        ];
        let rows = client
            .query_typed(SETTINGS, &[(&&NAMES[..], Type::TEXT_ARRAY)])
            .await?;
        let read = rows
            .iter()
            .map(|row| Ok((row.try_get("name")?, row.try_get("value")?)));
        let settings: BTreeMap<String, String> = read.collect::<Result<_>>()?;
        let value = |name: &str| settings.get(name).cloned().unwrap_or_default();
        let is_durable = ["fsync", "full_page_writes", "synchronous_commit"]
            .iter()
            .all(|name| value(name) == "on");
        let owner = client
            .query_typed_one("select current_user::text as role", &[])
            .await?;
        Ok(Self {
            version: value("server_version"),
            is_durable,
            role: role.map_or_else(|| owner.try_get("role"), |role| Ok(role.to_owned()))?,
            // Some are kept for the superuser, one is ours.
            connections: value("max_connections")
                .parse::<usize>()?
                .saturating_sub(10),
            settings,
        })
    }

    /// Says it in lines.
    pub(super) fn lines(&self) -> [String; 2] {
        let durable = if self.is_durable {
            "durable: a commit is on the disk before it is answered"
        } else {
            "not durable: a commit may be lost when the machine fails, and the budget of an update is not judged"
        };
        let settings = self
            .settings
            .iter()
            .filter(|(name, _)| *name != "server_version");
        let settings: Vec<_> = settings
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        [
            format!("PostgreSQL {}, as {}; {durable}", self.version, self.role),
            settings.join(", "),
        ]
    }
}

/// Tells whether there is anybody whom this command did not make up.
async fn holds_real_users(client: &Client) -> Result<bool> {
    let row = client
        .query_typed_one("select to_regclass('users') is not null as is_there", &[])
        .await?;
    if !row.try_get::<_, bool>("is_there")? {
        return Ok(false);
    }
    let statement = "select exists (select from users where not email like '%' || $1) as is_there";
    let row = client
        .query_typed_one(statement, &[(&DOMAIN, Type::TEXT)])
        .await?;
    Ok(row.try_get("is_there")?)
}

/// Tells whether the owner may take over the role of the functions.
async fn is_member(client: &Client) -> Result<bool> {
    let statement = "
        select exists (
          select
          from pg_roles
          where rolname = $1
            and pg_has_role(current_user, oid, 'member')
        ) as is_there";
    let row = client
        .query_typed_one(statement, &[(&APP_ROLE, Type::TEXT)])
        .await?;
    Ok(row.try_get("is_there")?)
}
