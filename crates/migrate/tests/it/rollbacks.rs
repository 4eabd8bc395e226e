//! The way back: each rollback undoes its migration, and the way up can be taken again.

use usher_migrate::{Migration, Migrations, Snapshot};

use crate::support::{connect, database};

#[tokio::test]
async fn every_rollback_leaves_what_was_there_before_its_migration() {
    let database = database().await;
    let client = connect(database.url()).await;
    let migrations = Migrations::embedded().unwrap();
    let mut before = Vec::new();
    for migration in &migrations {
        before.push((migration, Snapshot::read(&client).await.unwrap()));
        client.batch_execute(migration.sql()).await.unwrap();
    }
    let top = Snapshot::read(&client).await.unwrap();
    for (migration, expected) in before.iter().rev() {
        client.batch_execute(rollback(migration)).await.unwrap();
        let left = expected.differences(&Snapshot::read(&client).await.unwrap());
        assert_eq!(left, [], "after the rollback of {}", migration.name());
    }
    for migration in &migrations {
        client.batch_execute(migration.sql()).await.unwrap();
    }
    assert_eq!(Snapshot::read(&client).await.unwrap(), top);
}

fn rollback(migration: &Migration) -> &str {
    migration.rollback().unwrap()
}
