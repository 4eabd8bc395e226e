//! Databases of tests: one is migrated, the others are cloned from it.

use std::{error, future::Future, time::Duration};

use tokio_postgres::{Client, types::Type};
use url::Url;

use crate::{
    Cluster, Error, Result,
    cluster::{as_role, at_database},
    databases::{connect, drop_database, quote, try_lock, unlock},
    files::hash,
    worker::Worker,
};

/// How often and how long the lock of a template is asked for: two minutes.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_TRIES: u32 = 6000;

/// A database that others are cloned from.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    worker: Worker,
    address: Url,
    is_private: bool,
}

/// The database of one test, dropped in the background when this is.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    worker: Worker,
    is_private: bool,
}

impl Cluster {
    /// Returns the template of that name, after `migrate` has filled it when the server has none yet.
    ///
    /// Put a fingerprint of the migrations into the name: a template that is there is never filled again. Processes
    /// that share the server wait for the one that makes it.
    pub async fn template<F, M, E>(&self, name: &str, migrate: F) -> Result<Template>
    where
        F: FnOnce(String) -> M,
        M: Future<Output = Result<(), E>>,
        E: Into<Box<dyn error::Error + Send + Sync>>,
    {
        let database = format!("usher_template_{name}");
        let admin_url = self.admin_url();
        let admin = connect(&admin_url).await?;
        let key = key(&database);
        wait_for_lock(&admin, key, name).await?;
        // An error closes the connection, which releases the lock as well.
        if !is_made(&admin, &database).await? {
            make(&admin, &database).await?;
            let filled = migrate(self.url(&database)).await;
            filled.map_err(|error| Error::Migrate {
                name: name.to_owned(),
                source: error.into(),
            })?;
            seal(&admin, &database).await?;
        }
        unlock(&admin, key).await?;
        Ok(self.template_from(database))
    }

    /// Returns the template of databases with nothing in them.
    pub fn blank(&self) -> Template {
        self.template_from("template0".to_owned())
    }

    fn template_from(&self, name: String) -> Template {
        Template {
            name,
            worker: self.worker().clone(),
            address: self.address().clone(),
            is_private: self.is_private(),
        }
    }
}

impl Template {
    /// Creates a database that is a clone of this one.
    pub async fn create(&self) -> Result<TestDatabase> {
        let name = self.worker.create(&self.name).await?;
        let url = at_database(&self.address, &name);
        Ok(TestDatabase {
            name,
            url,
            worker: self.worker.clone(),
            is_private: self.is_private,
        })
    }
}

impl TestDatabase {
    /// Returns the connection string of the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the connection string of the database for somebody else than its owner.
    pub fn url_as(&self, role: &str) -> String {
        as_role(&self.url, role, self.is_private)
    }

    /// Returns the name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.worker.drop_soon(std::mem::take(&mut self.name));
    }
}

/// Returns the key of the lock of a template.
fn key(name: &str) -> i64 {
    hash(name.as_bytes()).cast_signed()
}

/// Asks again and again instead of once: a session that waits for a lock holds up `create index concurrently`.
async fn wait_for_lock(admin: &Client, key: i64, name: &str) -> Result<()> {
    for _ in 0..LOCK_TRIES {
        if try_lock(admin, key).await? {
            return Ok(());
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(Error::TemplateBusy(name.to_owned()))
}

/// Returns whether the template is complete; one whose making was interrupted is no template yet.
async fn is_made(admin: &Client, database: &str) -> Result<bool> {
    let rows = admin
        .query_typed(
            "select from pg_database where datname = $1 and datistemplate",
            &[(&database, Type::TEXT)],
        )
        .await
        .map_err(Error::database("look for the template"))?;
    Ok(!rows.is_empty())
}

async fn make(admin: &Client, database: &str) -> Result<()> {
    drop_database(admin, database).await?;
    let statement = format!("create database {} template template0", quote(database));
    admin
        .batch_execute(&statement)
        .await
        .map_err(Error::database("create the template"))
}

/// Makes the database a template that nobody can connect to: one connection would keep it from being cloned.
async fn seal(admin: &Client, database: &str) -> Result<()> {
    let statement = format!(
        "alter database {} with allow_connections false is_template true",
        quote(database)
    );
    admin
        .batch_execute(&statement)
        .await
        .map_err(Error::database("seal the template"))
}
