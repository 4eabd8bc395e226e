//! Runs the statements of a migration together with the row of the history.
//!
//! Most migrations are one transaction: either all of it is there with its row, or nothing is. A migration whose first
//! lines have `-- migrate: no-transaction` is one statement outside of any, for what Postgres runs only there, such as
//! `create index concurrently`; it has to be one that can be run again, since its row is written after it.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::{
    Client, SimpleQueryMessage,
    error::{DbError, SqlState},
};

use crate::{
    Result,
    failure::{Failure, Kept},
    statements::{Statement, split},
};

/// How long a statement waits for a lock: others wait behind it in turn.
const LOCK_TIMEOUT: &str = "5s";

/// How long `concurrently` waits for the transactions that were there before it; nobody waits behind it.
const CONCURRENT_LOCK_TIMEOUT: &str = "60s";

/// How often a migration is tried whose locks are taken, and the longest pause between two tries.
const TRIES: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// What is run: one direction of one migration.
pub(crate) struct Work<'a> {
    /// The whole name of the migration.
    pub(crate) name: &'a str,
    /// The file that the statements are from, for errors.
    pub(crate) file: &'a str,
    /// The statements.
    pub(crate) sql: &'a str,
    /// Whether they are one transaction.
    pub(crate) is_transactional: bool,
    /// The change of the history. It has to hit one row.
    pub(crate) history: &'a str,
}

impl Work<'_> {
    /// Runs it. Somebody else's locks are waited for in short turns.
    pub(crate) async fn run(
        &self,
        client: &mut Client,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<(), Failure> {
        if !self.is_transactional {
            return self.run_alone(client, progress).await;
        }
        let mut pause = Duration::from_millis(250);
        for left in (0..TRIES).rev() {
            match self.run_together(client).await {
                Err(failure) if left > 0 && failure.is_about_locks() => {
                    progress(&format!(
                        "{}: a lock is taken by others, trying again ({left} tries left)",
                        self.name
                    ));
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                ended => return ended,
            }
        }
        Ok(())
    }

    async fn run_together(&self, client: &mut Client) -> Result<(), Failure> {
        let before = |error| self.failure(None, &error, Kept::Nothing);
        let transaction = client.transaction().await.map_err(before)?;
        let settings =
            format!("set local lock_timeout = '{LOCK_TIMEOUT}'; set local statement_timeout = 0");
        transaction.batch_execute(&settings).await.map_err(before)?;
        for statement in split(self.sql) {
            let ran = transaction.batch_execute(statement.text).await;
            ran.map_err(|error| self.failure(Some(&statement), &error, Kept::Nothing))?;
        }
        let rows = transaction
            .execute(self.history, &[])
            .await
            .map_err(before)?;
        if rows != 1 {
            return Err(self.refusal("the history changed meanwhile", Kept::Nothing));
        }
        transaction.commit().await.map_err(|error| {
            // Without an answer nobody knows whether the commit was the last thing that arrived.
            let kept = if error.as_db_error().is_some() {
                Kept::Nothing
            } else {
                Kept::Unknown
            };
            self.failure(None, &error, kept)
        })
    }

    async fn run_alone(
        &self,
        client: &Client,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<(), Failure> {
        let statements = split(self.sql);
        let [statement] = statements.as_slice() else {
            let reason = format!(
                "a migration without a transaction has to be one statement, this one has {}",
                statements.len()
            );
            return Err(self.refusal(&reason, Kept::Nothing));
        };
        let before = |error| self.failure(None, &error, Kept::Nothing);
        // What an earlier try left would make `if not exists` skip the work.
        for index in invalid_indexes(client, statement).await.map_err(before)? {
            progress(&format!(
                "{}: dropping the invalid index {index} of an earlier try",
                self.name
            ));
            let drop = format!("drop index concurrently if exists {index}");
            client.batch_execute(&drop).await.map_err(before)?;
        }
        let settings =
            format!("set lock_timeout = '{CONCURRENT_LOCK_TIMEOUT}'; set statement_timeout = 0");
        for command in [&settings, statement.text] {
            let ran = client.batch_execute(command).await;
            ran.map_err(|error| self.failure(Some(statement), &error, Kept::Perhaps))?;
        }
        let after = |error| self.failure(None, &error, Kept::Perhaps);
        client
            .batch_execute("reset lock_timeout; reset statement_timeout")
            .await
            .map_err(after)?;
        if let Some(index) = invalid_indexes(client, statement)
            .await
            .map_err(after)?
            .first()
        {
            return Err(self.refusal(&format!("it left the invalid index {index}"), Kept::Perhaps));
        }
        match client.execute(self.history, &[]).await.map_err(after)? {
            1 => Ok(()),
            _ => Err(self.refusal("the history changed meanwhile", Kept::Perhaps)),
        }
    }

    fn failure(
        &self,
        statement: Option<&Statement<'_>>,
        error: &tokio_postgres::Error,
        kept: Kept,
    ) -> Failure {
        Failure::new(self, statement, error, kept)
    }

    fn refusal(&self, reason: &str, kept: Kept) -> Failure {
        Failure::refusal(self, reason, kept)
    }
}

/// Returns the invalid indexes that the statement names, as they are written in a statement. One that is just being
/// built counts only when this migration is not running, and then no other is.
async fn invalid_indexes(
    client: &Client,
    statement: &Statement<'_>,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let question = "
        select relname, indexrelid::regclass
        from pg_index
        join pg_class on pg_class.oid = indexrelid
        where not indisvalid
          and relnamespace = quote_ident(current_schema())::regnamespace
          and not exists (select from pg_stat_progress_create_index as running where running.index_relid = indexrelid)";
    let messages = client.simple_query(question).await?;
    let named = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?, row.get(1)?)),
        _ => None,
    });
    let named = named.filter(|(name, _)| statement.words.iter().any(|word| word == name));
    Ok(named.map(|(_, written)| written.to_owned()).collect())
}

/// Returns whether waiting can help.
pub(crate) fn is_about_locks(answer: &DbError) -> bool {
    [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ]
    .contains(answer.code())
}
