//! Applies what is pending.

use std::time::Duration;

use refinery::{Runner, Target};
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use tokio_postgres::Client;

use crate::{Error, Failure, Migration, Migrations, Result, State, Status, apply::Work, lock};

/// How long a deploy usually waits for another one.
pub const LOCK_WAIT: Duration = Duration::from_mins(1);

/// How a deploy goes about it.
#[derive(Clone, Copy)]
pub struct DeployOptions<'a> {
    /// The last version to apply; everything unless set.
    pub to: Option<i64>,
    /// How long to wait for another deploy.
    pub lock_wait: Duration,
    /// Is told what takes a while.
    pub progress: &'a (dyn Fn(&str) + Sync),
}

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The whole names of the migrations that it applied.
    pub applied: Vec<String>,
    /// How many partitions it made; `None` when the schema has no such function, or it belongs to another role.
    pub partitions: Option<i32>,
    /// The roles of the product that the server does not have and this role may not create.
    pub missing_roles: Vec<String>,
}

impl Default for DeployOptions<'_> {
    fn default() -> Self {
        Self {
            to: None,
            lock_wait: LOCK_WAIT,
            progress: &|_| {},
        }
    }
}

impl Migrations {
    /// Applies the pending migrations, each in a transaction of its own, makes the partitions of the coming months, and
    /// grants the roles of the product what they need.
    ///
    /// Of several deploys at a time one works and the others wait. Without anything pending it also works for a role
    /// that may create nothing. The connection has to be a direct one: a pooler gives each transaction another session,
    /// and the lock belongs to the session.
    pub async fn deploy(
        &self,
        client: &mut Client,
        options: DeployOptions<'_>,
    ) -> Result<Deployed> {
        lock::take(client, options.lock_wait, options.progress).await?;
        let deployed = self.deploy_alone(client, options).await;
        let released = lock::release(client).await;
        let deployed = deployed?;
        released?;
        Ok(deployed)
    }

    /// Returns what a deploy up to a version would apply; refuses what a deploy refuses.
    pub async fn pending(&self, client: &Client, to: Option<i64>) -> Result<Vec<&Migration>> {
        if let Some(version) = to
            && !self.iter().any(|migration| migration.version() == version)
        {
            return Err(Error::UnknownVersion { version });
        }
        let status = self.status(client).await?;
        if status.is_broken() {
            return Err(Error::Broken(status));
        }
        if status
            .entries
            .iter()
            .all(|entry| entry.state == State::Pending)
        {
            refuse_prisma(client).await?;
        }
        let is_pending = |migration: &&Migration| {
            to.is_none_or(|last| migration.version() <= last) && is_pending(&status, migration)
        };
        Ok(self.iter().filter(is_pending).collect())
    }

    pub(crate) async fn deploy_alone(
        &self,
        client: &mut Client,
        options: DeployOptions<'_>,
    ) -> Result<Deployed> {
        let pending = self.pending(client, options.to).await?;
        if !pending.is_empty() {
            self.run(client, &pending, options).await?;
        }
        let applied = pending
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect();
        let partitions = call(client, "audit_logs_make_partitions").await;
        let missing_roles = call(client, "grant_privileges").await;
        Ok(Deployed {
            applied,
            partitions: partitions
                .map_err(Error::after("make the partitions of the coming months"))?,
            missing_roles: missing_roles
                .map_err(Error::after("grant the roles what they need"))?
                .unwrap_or_default(),
        })
    }

    /// Lets refinery do it. What it would refuse was refused before, in words that say more.
    async fn run(
        &self,
        client: &mut Client,
        pending: &[&Migration],
        options: DeployOptions<'_>,
    ) -> Result<()> {
        let steps: Vec<refinery::Migration> = self
            .iter()
            .map(|migration| migration.step().clone())
            .collect();
        let runner = Runner::new(&steps)
            .set_abort_divergent(true)
            .set_abort_missing(true)
            .set_target(options.to.map_or(Target::Latest, Target::Version));
        let mut session = Session {
            client,
            pending,
            applied: 0,
            failure: None,
            progress: options.progress,
        };
        let outcome = runner.run_async(&mut session).await;
        match (outcome, session.failure) {
            (Ok(_), _) => Ok(()),
            (Err(_), Some(failure)) => Err(Error::Failed(failure)),
            (Err(error), None) => Err(Error::History(Box::new(error))),
        }
    }
}

fn is_pending(status: &Status, migration: &Migration) -> bool {
    status
        .entries
        .iter()
        .any(|entry| entry.version == migration.version() && entry.state == State::Pending)
}

/// The connection as refinery uses it: it reads the history itself and hands over one migration after the other, each
/// with the statement that remembers it.
struct Session<'a> {
    client: &'a mut Client,
    pending: &'a [&'a Migration],
    applied: usize,
    failure: Option<Failure>,
    progress: &'a (dyn Fn(&str) + Sync),
}

/// What refinery is told; the failure itself waits in the session.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    #[error("a migration failed")]
    Failed,
    #[error("more is applied than was pending")]
    Surplus,
}

impl AsyncTransaction for Session<'_> {
    type Error = Stop;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, Stop> {
        let queries: Vec<_> = queries.collect();
        let [sql, history] = queries.as_slice() else {
            // The table of the history.
            for query in &queries {
                self.client.batch_execute(query).await?;
            }
            return Ok(queries.len());
        };
        let migration = self.pending.get(self.applied).ok_or(Stop::Surplus)?;
        (self.progress)(&format!("applying {}", migration.name()));
        let work = Work {
            name: migration.name(),
            file: &migration.file(),
            sql,
            is_transactional: migration.is_transactional(),
            history,
        };
        if let Err(mut failure) = work.run(self.client, self.progress).await {
            failure.before = self.applied;
            self.failure = Some(failure);
            return Err(Stop::Failed);
        }
        self.applied += 1;
        Ok(queries.len())
    }
}

impl AsyncQuery<Vec<refinery::Migration>> for Session<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<refinery::Migration>, Stop> {
        Ok(AsyncQuery::query(self.client, query).await?)
    }
}

impl AsyncMigrate for Session<'_> {}

/// Says what to do when the tables are there already and Prisma made them.
async fn refuse_prisma(client: &Client) -> Result<()> {
    let statement = "select (to_regclass('_prisma_migrations') is not null and to_regclass('users') is not null) as is_so";
    let asked = client.query_typed_one(statement, &[]).await;
    let asked = asked.and_then(|row| row.try_get("is_so"));
    if asked.map_err(Error::database("look for tables of Prisma"))? {
        return Err(Error::MadeByPrisma);
    }
    Ok(())
}

/// Calls a function of the schema without parameters, when it is there and this role may do what it does.
async fn call<T>(client: &Client, function: &str) -> Result<Option<T>, tokio_postgres::Error>
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    let statement = format!(
        "select 1
        from pg_proc
        where oid = to_regprocedure('{function}()')
          and pg_has_role(proowner, 'usage')
          and has_schema_privilege(pronamespace, 'create')"
    );
    if client.query_typed(&statement, &[]).await?.is_empty() {
        return Ok(None);
    }
    let statement = format!("select {function}() as answer");
    let row = client.query_typed_one(&statement, &[]).await?;
    row.try_get("answer").map(Some)
}
