//! The databases of a server: asks, creates, drops, and sweeps away what dead runs left behind.

use tokio_postgres::{Client, NoTls};

use crate::{Cluster, Error, Result};

/// How the name of a database of a test begins; the number of its run follows.
pub(crate) const PREFIX: &str = "usher_test_";

impl Cluster {
    /// Connects to the database that others are created from. The connection is driven by the current runtime.
    pub async fn admin(&self) -> Result<Client> {
        connect(&self.admin_url()).await
    }

    /// Creates a database when the server has none of that name, and returns its connection string.
    pub async fn ensure_database(&self, name: &str) -> Result<String> {
        let admin = self.admin().await?;
        if !exists(&admin, name).await? {
            let statement = format!("create database {}", quote(name));
            if let Err(error) = admin.batch_execute(&statement).await
                // Somebody else was faster.
                && !exists(&admin, name).await?
            {
                return Err(Error::database("create the database")(error));
            }
        }
        Ok(self.url(name))
    }

    /// Drops a database and ends the connections to it; one that is not there is fine.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        drop_database(&self.admin().await?, name).await
    }

    /// Drops the databases of tests whose run is over, and returns how many there were.
    pub async fn sweep(&self) -> Result<usize> {
        sweep(&self.admin().await?).await
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "runs on a machine of a developer, not in a function"
)]
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .map_err(Error::database("connect to the server of the databases"))?;
    tokio::spawn(connection);
    Ok(client)
}

pub(crate) async fn drop_database(admin: &Client, name: &str) -> Result<()> {
    let statement = format!("drop database if exists {} with (force)", quote(name));
    admin
        .batch_execute(&statement)
        .await
        .map_err(Error::database("drop the database"))
}

/// Drops what dead runs left: a run holds the lock of its number for as long as it lives.
pub(crate) async fn sweep(admin: &Client) -> Result<usize> {
    let rows = admin
        .query_typed(
            "select datname::text as name from pg_database where starts_with(datname::text, $1)",
            &[(&PREFIX, tokio_postgres::types::Type::TEXT)],
        )
        .await
        .map_err(Error::database("list the databases"))?;
    let mut dropped = 0;
    for row in rows {
        let name: String = row
            .try_get("name")
            .map_err(Error::database("read the name of a database"))?;
        let Some(run) = run_of(&name) else { continue };
        if try_lock(admin, run).await? {
            let result = drop_database(admin, &name).await;
            unlock(admin, run).await?;
            result?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

/// Returns the number of the run in `usher_test_<run>_<count>`.
fn run_of(name: &str) -> Option<i64> {
    let (run, _) = name.strip_prefix(PREFIX)?.split_once('_')?;
    u64::from_str_radix(run, 16).ok().map(u64::cast_signed)
}

pub(crate) async fn exists(admin: &Client, name: &str) -> Result<bool> {
    let rows = admin
        .query_typed(
            "select from pg_database where datname = $1",
            &[(&name, tokio_postgres::types::Type::TEXT)],
        )
        .await
        .map_err(Error::database("look for the database"))?;
    Ok(!rows.is_empty())
}

/// Takes a lock of the session when nobody else has it. By the simple protocol, which keeps no snapshot.
pub(crate) async fn try_lock(admin: &Client, key: i64) -> Result<bool> {
    let statement = format!("select pg_try_advisory_lock({key}) as taken");
    let messages = admin
        .simple_query(&statement)
        .await
        .map_err(Error::database("take a lock"))?;
    Ok(messages.iter().any(|message| {
        matches!(message, tokio_postgres::SimpleQueryMessage::Row(row) if row.get("taken") == Some("t"))
    }))
}

pub(crate) async fn unlock(admin: &Client, key: i64) -> Result<()> {
    let statement = format!("select pg_advisory_unlock({key})");
    admin
        .batch_execute(&statement)
        .await
        .map_err(Error::database("release a lock"))
}

/// Writes a name so that it can stand in a statement.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_back_from_the_name_of_its_database() {
        assert_eq!(run_of("usher_test_ffffffffffffffff_7"), Some(-1));
        assert_eq!(run_of("usher_template_x"), None);
    }

    #[test]
    fn a_name_is_quoted() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
    }
}
