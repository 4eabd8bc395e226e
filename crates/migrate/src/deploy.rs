//! Applies what is pending.

use std::{error, time::Duration};

use refinery::Runner;
use tokio_postgres::Client;

use crate::{Error, Failure, Migration, Migrations, Result, State, Status, lock};

/// How long a deploy usually waits for another one.
pub const LOCK_WAIT: Duration = Duration::from_mins(1);

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The whole names of the migrations that it applied.
    pub applied: Vec<String>,
    /// How many partitions it made; `None` when the schema has no such function, or it belongs to another role.
    pub partitions: Option<i32>,
}

impl Migrations {
    /// Applies the pending migrations, each in a transaction of its own, and makes the partitions of the coming months.
    ///
    /// Of several deploys at a time one works and the others wait, [`LOCK_WAIT`] or as long as they are told. Without
    /// anything pending it also works for a role that may create nothing. The connection has to be a direct one: a
    /// pooler gives each transaction another session, and the lock belongs to the session.
    pub async fn deploy(
        &self,
        client: &mut Client,
        lock_wait: Duration,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Deployed> {
        lock::take(client, lock_wait, progress).await?;
        let deployed = self.deploy_alone(client, progress).await;
        let released = lock::release(client).await;
        let deployed = deployed?;
        released?;
        Ok(deployed)
    }

    async fn deploy_alone(
        &self,
        client: &mut Client,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Deployed> {
        let status = self.status(client).await?;
        if status.is_broken() {
            return Err(Error::Broken(status));
        }
        let pending = self.pending(&status);
        for migration in &pending {
            progress(&format!("pending: {}", migration.name()));
        }
        if !pending.is_empty() {
            self.run(client, &pending).await?;
        }
        let applied = pending
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect();
        let partitions = make_partitions(client).await.map_err(Error::Partitions)?;
        Ok(Deployed {
            applied,
            partitions,
        })
    }

    fn pending(&self, status: &Status) -> Vec<&Migration> {
        let is_pending = |migration: &&Migration| {
            status
                .entries
                .iter()
                .any(|entry| entry.version == migration.version() && entry.state == State::Pending)
        };
        self.iter().filter(is_pending).collect()
    }

    /// Lets refinery do it. What it would refuse was refused before, in words that say more.
    async fn run(&self, client: &mut Client, pending: &[&Migration]) -> Result<()> {
        let steps: Vec<refinery::Migration> = self
            .iter()
            .map(|migration| migration.step().clone())
            .collect();
        let runner = Runner::new(&steps)
            .set_abort_divergent(true)
            .set_abort_missing(true);
        match runner.run_async(client).await {
            Ok(_) => Ok(()),
            Err(error) => Err(explain(error, pending)),
        }
    }
}

/// Finds the migration that failed: the one after those that the report has.
fn explain(error: refinery::Error, pending: &[&Migration]) -> Error {
    let applied = error
        .report()
        .map(|report| report.applied_migrations().len());
    let failed = applied.and_then(|applied| Some((applied, *pending.get(applied)?)));
    let source = error::Error::source(&error).and_then(|source| source.downcast_ref());
    match (failed, source) {
        (Some((applied, migration)), Some(source)) => Error::Failed(Failure::new(
            migration.name(),
            migration.sql(),
            applied,
            source,
        )),
        _ => Error::History(Box::new(error)),
    }
}

/// Calls the function of the schema that makes partitions, when it is there and this role may do what it does.
async fn make_partitions(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let statement = "
        select 1
        from pg_proc
        where oid = to_regprocedure('audit_logs_make_partitions()')
          and pg_has_role(proowner, 'usage')
          and has_schema_privilege(pronamespace, 'create')";
    if client.query_typed(statement, &[]).await?.is_empty() {
        return Ok(None);
    }
    let row = client
        .query_typed_one("select audit_logs_make_partitions() as made", &[])
        .await?;
    row.try_get("made").map(Some)
}
