//! A database of its own for each test, and short ways to deploy and to ask.

use std::cell::RefCell;

use tokio_postgres::{Client, NoTls};
use usher_devdb::{TestDatabase, test_cluster};
use usher_migrate::{DeployOptions, Deployed, Error, Migrations, Proof};

/// Creates a database with nothing in it.
pub(crate) async fn database() -> TestDatabase {
    test_cluster().blank().create().await.unwrap()
}

/// Connects to a database.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test is no function")]
    tokio::spawn(connection);
    client
}

/// Makes a set of migrations.
pub(crate) fn set(parts: &[(&str, &str)]) -> Migrations {
    let parts: Vec<_> = parts.iter().map(|(name, sql)| (*name, *sql, "")).collect();
    Migrations::from_parts(&parts).unwrap()
}

/// Deploys without telling anybody.
pub(crate) async fn deploy(
    migrations: &Migrations,
    client: &mut Client,
) -> Result<Deployed, Error> {
    migrations.deploy(client, DeployOptions::default()).await
}

/// Asks for one text.
pub(crate) async fn ask(client: &Client, question: &str) -> Option<String> {
    client.query_one(question, &[]).await.unwrap().get(0)
}

/// The databases that migrations are proved in.
#[derive(Default)]
pub(crate) struct Proving(Vec<TestDatabase>);

impl Proving {
    /// Proves migrations.
    pub(crate) async fn run(&mut self, migrations: &Migrations) -> Vec<Proof> {
        let databases = RefCell::new(&mut self.0);
        let fresh = async || -> Result<Client, Error> {
            let database = database().await;
            let client = connect(database.url()).await;
            databases.borrow_mut().push(database);
            Ok(client)
        };
        migrations.verify(fresh, &|_| {}).await.unwrap()
    }

    /// Connects to one of the databases that it took.
    pub(crate) async fn connect(&self, number: usize) -> Client {
        connect(self.0[number].url()).await
    }
}
