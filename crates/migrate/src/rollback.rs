//! Undoes migrations, newest first.

use std::fmt;

use tokio_postgres::{Client, types::Type};

use crate::{
    Difference, Error, Failure, Migration, Migrations, Result, Snapshot, State, Status,
    apply::Work, deploy::LOCK_WAIT, failure::Kept, lock, statements::split,
};

/// How far to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// This many migrations.
    Steps(usize),
    /// Until this version is the newest; 0 leaves nothing.
    To(i64),
}

/// Something that a rollback takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The object.
    pub object: crate::Object,
    /// How many rows it has; for a column, how many have a value in it. `None` for what has no rows.
    pub rows: Option<i64>,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rows) = self.rows else {
            return write!(formatter, "{}", self.object);
        };
        let unit = if self.object.kind == "column" {
            "value"
        } else {
            "row"
        };
        let many = if rows == 1 { "" } else { "s" };
        write!(formatter, "{} with {rows} {unit}{many}", self.object)
    }
}

impl Migrations {
    /// Returns the migrations that a rollback would undo, newest first; refuses what [`Migrations::rollback`] refuses.
    pub async fn undoable(&self, client: &Client, back: Back) -> Result<Vec<&Migration>> {
        let status = self.status(client).await?;
        if let Some(broken) = first_broken(&status, back) {
            return Err(broken);
        }
        let applied: Vec<_> = self
            .iter()
            .rev()
            .filter(|migration| is_applied(&status, migration))
            .collect();
        let count = match back {
            Back::Steps(steps) => steps.min(applied.len()),
            Back::To(version) => {
                if version != 0
                    && !applied
                        .iter()
                        .any(|migration| migration.version() == version)
                {
                    return Err(Error::UnknownVersion { version });
                }
                applied
                    .iter()
                    .take_while(|migration| migration.version() > version)
                    .count()
            }
        };
        let chosen: Vec<_> = applied.into_iter().take(count).collect();
        for migration in &chosen {
            if let Some(reason) = migration.irreversible() {
                return Err(Error::Irreversible {
                    name: migration.name().to_owned(),
                    reason: reason.to_owned(),
                });
            }
            if migration.rollback().is_none_or(|sql| split(sql).is_empty()) {
                return Err(Error::NoRollback {
                    name: migration.name().to_owned(),
                });
            }
        }
        Ok(chosen)
    }

    /// Returns what these rollbacks would take away, found by doing them in a transaction that is never committed.
    ///
    /// A rollback that runs outside of a transaction cannot be tried; it and what is older is not looked at.
    pub async fn losses(&self, client: &mut Client, chosen: &[&Migration]) -> Result<Vec<Loss>> {
        let before = Snapshot::read(client).await?;
        let rehearsal = |error| Error::database("rehearse the rollback")(error);
        let after = {
            let transaction = client.transaction().await.map_err(rehearsal)?;
            transaction
                .batch_execute("set local lock_timeout = '5s'")
                .await
                .map_err(rehearsal)?;
            for migration in chosen {
                if !migration.is_rollback_transactional() {
                    break;
                }
                for statement in split(migration.rollback().unwrap_or_default()) {
                    let ran = transaction.batch_execute(statement.text).await;
                    ran.map_err(|error| {
                        let work = work(migration, "");
                        Error::RollbackFailed(Failure::new(
                            &work,
                            Some(&statement),
                            &error,
                            Kept::Nothing,
                        ))
                    })?;
                }
            }
            let after = Snapshot::read(transaction.client()).await?;
            transaction.rollback().await.map_err(rehearsal)?;
            after
        };
        let mut losses = Vec::new();
        for difference in before.differences(&after) {
            if let Difference::Removed { object, .. } = difference {
                let rows = count(client, &object).await?;
                losses.push(Loss { object, rows });
            }
        }
        Ok(losses)
    }

    /// Undoes migrations, newest first, each in one transaction with its row of the history, and returns their names.
    ///
    /// Refuses a history that is not the one of the program, and migrations that cannot be undone.
    pub async fn rollback(
        &self,
        client: &mut Client,
        back: Back,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<String>> {
        lock::take(client, LOCK_WAIT, progress).await?;
        let undone = self.rollback_alone(client, back, progress).await;
        let released = lock::release(client).await;
        let undone = undone?;
        released?;
        Ok(undone)
    }

    async fn rollback_alone(
        &self,
        client: &mut Client,
        back: Back,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<String>> {
        let mut undone = Vec::new();
        for migration in self.undoable(client, back).await? {
            progress(&format!("undoing {}", migration.name()));
            let history = format!(
                "delete from refinery_schema_history where version = {} and checksum = '{}'",
                migration.version(),
                migration.checksum()
            );
            if let Err(mut failure) = work(migration, &history).run(client, progress).await {
                failure.before = undone.len();
                return Err(Error::RollbackFailed(failure));
            }
            undone.push(migration.name().to_owned());
        }
        Ok(undone)
    }
}

fn work<'a>(migration: &'a Migration, history: &'a str) -> Work<'a> {
    Work {
        name: migration.name(),
        file: "rollback.sql",
        sql: migration.rollback().unwrap_or_default(),
        is_transactional: migration.is_rollback_transactional(),
        history,
    }
}

/// A history that is broken further down than the rollback goes does not matter to it.
fn first_broken(status: &Status, back: Back) -> Option<Error> {
    let mut newest_first = status
        .entries
        .iter()
        .rev()
        .filter(|entry| entry.state != State::Pending);
    let mut steps = 0;
    let is_broken = newest_first.any(|entry| {
        let is_reached = match back {
            Back::Steps(count) => steps < count,
            Back::To(version) => entry.version > version,
        };
        steps += 1;
        is_reached && entry.state.is_broken()
    });
    is_broken.then(|| Error::Broken(status.clone()))
}

fn is_applied(status: &Status, migration: &Migration) -> bool {
    status
        .entries
        .iter()
        .any(|entry| entry.version == migration.version() && entry.state == State::Applied)
}

async fn count(client: &Client, object: &crate::Object) -> Result<Option<i64>> {
    let (table, column) = match object.kind.as_str() {
        "table" | "materialized view" => (object.name.as_str(), None),
        "column" => match object.name.split_once('.') {
            Some((table, column)) => (table, Some(column)),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    // Monthly partitions are counted with their table.
    if table.contains('<') {
        return Ok(None);
    }
    let statement = "select format('select count(%s) as count from %I', coalesce(quote_ident($2), '*'), $1) as text";
    let read = async {
        let row = client
            .query_typed_one(statement, &[(&table, Type::TEXT), (&column, Type::TEXT)])
            .await?;
        let row = client.query_typed_one(row.try_get("text")?, &[]).await?;
        row.try_get("count").map(Some)
    };
    read.await
        .map_err(Error::database("count the rows that would be lost"))
}
