//! The way back: each rollback undoes its migration, and the way up can be taken again.

use usher_migrate::{Migration, Migrations};

use crate::support::{catalog, connect, database};

#[tokio::test]
async fn every_rollback_leaves_what_was_there_before_its_migration() {
    let database = database().await;
    let client = connect(database.url()).await;
    let migrations = Migrations::embedded().unwrap();
    let mut before = Vec::new();
    for migration in &migrations {
        before.push((migration, catalog(&client).await));
        client.batch_execute(migration.sql()).await.unwrap();
    }
    let top = catalog(&client).await;
    for (migration, expected) in before.iter().rev() {
        client.batch_execute(rollback(migration)).await.unwrap();
        assert_eq!(
            &catalog(&client).await,
            expected,
            "after the rollback of {}",
            migration.name()
        );
    }
    for migration in &migrations {
        client.batch_execute(migration.sql()).await.unwrap();
    }
    assert_eq!(catalog(&client).await, top);
}

fn rollback(migration: &Migration) -> &str {
    migration.rollback().unwrap()
}
