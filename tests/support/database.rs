//! The databases of the tests.

use tokio_postgres::{Client, NoTls};
use usher_devdb::{Cluster, TestDatabase, test_cluster};
use usher_migrate::{DeployOptions, Migrations};

/// Connects outside of the pool.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test is no function")]
    tokio::spawn(connection);
    client
}

/// Returns a database with everybody in it.
pub async fn create() -> TestDatabase {
    create_on(test_cluster()).await
}

/// Returns a database of a server, with everybody in it.
pub async fn create_on(cluster: &Cluster) -> TestDatabase {
    clone(cluster, &Migrations::embedded().unwrap()).await
}

/// Returns a database with everybody in it, and the schema of these migrations.
pub async fn migrated(migrations: &Migrations) -> TestDatabase {
    clone(test_cluster(), migrations).await
}

async fn clone(cluster: &Cluster, migrations: &Migrations) -> TestDatabase {
    let name = name_with_people(migrations);
    let template = cluster
        .template(&name, |url| async move { fill(migrations, &url).await })
        .await
        .unwrap();
    let database = template.create().await.unwrap();
    // The template may be old, and what people proved is to be of now.
    let client = connect(database.url()).await;
    client
        .batch_execute("update sessions set created_at = now()")
        .await
        .unwrap();
    database
}

/// Returns a name for databases with everybody in them; it changes when the schema or the people do.
pub fn name_with_people(migrations: &Migrations) -> String {
    format!("{}_people_1", migrations.fingerprint())
}

/// Deploys the migrations into an empty database, and lets everybody move in.
pub async fn fill(migrations: &Migrations, url: &str) -> Result<(), usher_migrate::Error> {
    let mut client = connect(url).await;
    migrations
        .deploy(&mut client, DeployOptions::default())
        .await?;
    crate::people::move_in(url).await;
    Ok(())
}
