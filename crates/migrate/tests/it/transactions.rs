//! Migrations without a transaction, and locks that others have.

use std::{sync::Mutex, time::Duration};

use tokio_postgres::Client;
use usher_migrate::{Back, DeployOptions, Error, Kept, Migrations};

use crate::support::{ask, connect, database, deploy};

const INDEX: (&str, &str, &str) = (
    "V2__index",
    "-- migrate: no-transaction\ncreate unique index concurrently if not exists a_id_key on a (id);",
    "-- migrate: no-transaction\ndrop index concurrently if exists a_id_key;",
);

fn table(sql: &str) -> Migrations {
    Migrations::from_parts(&[("V1__a", sql, "drop table a;"), INDEX]).unwrap()
}

/// Returns whether the index is valid, or nothing when there is none.
async fn index(client: &Client) -> Option<String> {
    let question =
        "select (select indisvalid::text from pg_index where indexrelid = to_regclass('a_id_key'))";
    ask(client, question).await
}

#[tokio::test]
async fn a_migration_without_a_transaction_is_applied_and_undone() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let migrations = table("create table a (id int)");
    deploy(&migrations, &mut client).await.unwrap();
    assert_eq!(index(&client).await.as_deref(), Some("true"));
    assert!(migrations.status(&client).await.unwrap().is_clean());
    let chosen = migrations.undoable(&client, Back::Steps(2)).await.unwrap();
    assert_eq!(migrations.losses(&mut client, &chosen).await.unwrap(), []);
    let undone = migrations
        .rollback(&mut client, Back::Steps(1), &|_| {})
        .await
        .unwrap();
    assert_eq!(
        (undone, index(&client).await),
        (vec!["V2__index".to_owned()], None)
    );
}

#[tokio::test]
async fn an_index_that_fails_is_not_in_the_history_and_is_made_again_later() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let migrations = table("create table a (id int); insert into a values (1), (1)");
    let error = deploy(&migrations, &mut client).await.unwrap_err();
    let Error::Failed(failure) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (
            failure.kept,
            failure.before,
            failure.code.as_deref(),
            failure.line
        ),
        (Kept::Perhaps, 1, Some("23505"), Some(2))
    );
    // `if not exists` alone would skip it now.
    assert_eq!(index(&client).await.as_deref(), Some("false"));
    client
        .batch_execute("delete from a where ctid = '(0,2)'")
        .await
        .unwrap();
    let told = Mutex::new(Vec::new());
    let options = DeployOptions {
        progress: &|line| told.lock().unwrap().push(line.to_owned()),
        ..DeployOptions::default()
    };
    migrations.deploy(&mut client, options).await.unwrap();
    assert_eq!(index(&client).await.as_deref(), Some("true"));
    let told = told.into_inner().unwrap();
    assert!(
        told.contains(
            &"V2__index: dropping the invalid index a_id_key of an earlier try".to_owned()
        ),
        "{told:?}"
    );
}

#[tokio::test]
async fn several_statements_without_a_transaction_are_refused() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let sql = "-- migrate: no-transaction\ncreate table a (id int); create table b (id int);";
    let migrations = Migrations::from_parts(&[("V1__a", sql, "")]).unwrap();
    let error = deploy(&migrations, &mut client)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("has to be one statement, this one has 2"),
        "{error}"
    );
    assert_eq!(ask(&client, "select to_regclass('a')::text").await, None);
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_waited_for_in_turns() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let first = Migrations::from_parts(&[("V1__a", "create table a (id int)", "")]).unwrap();
    deploy(&first, &mut client).await.unwrap();
    let holder = connect(database.url()).await;
    holder
        .batch_execute("begin; lock table a in access share mode")
        .await
        .unwrap();
    let both = Migrations::from_parts(&[
        ("V1__a", "create table a (id int)", ""),
        ("V2__b", "alter table a add column b int", ""),
    ])
    .unwrap();
    let told = Mutex::new(Vec::new());
    let options = DeployOptions {
        progress: &|line| told.lock().unwrap().push(line.to_owned()),
        ..DeployOptions::default()
    };
    let (deployed, ()) = tokio::join!(both.deploy(&mut client, options), async {
        // Longer than one turn, so that the first one is given up.
        tokio::time::sleep(Duration::from_secs(6)).await;
        holder.batch_execute("commit").await.unwrap();
    });
    assert_eq!(deployed.unwrap().applied, ["V2__b"]);
    let told = told.into_inner().unwrap().join("\n");
    assert!(
        told.contains("V2__b: a lock is taken by others, trying again (9 tries left)"),
        "{told}"
    );
}

#[tokio::test]
async fn the_rest_of_a_deploy_stays_pending_when_it_is_told_where_to_stop() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let migrations = table("create table a (id int)");
    let stop = |to| DeployOptions {
        to: Some(to),
        ..DeployOptions::default()
    };
    assert_eq!(
        migrations
            .deploy(&mut client, stop(1))
            .await
            .unwrap()
            .applied,
        ["V1__a"]
    );
    assert!(migrations.status(&client).await.unwrap().has_pending());
    let unknown = migrations.deploy(&mut client, stop(7)).await;
    assert!(matches!(unknown, Err(Error::UnknownVersion { version: 7 })));
    assert_eq!(migrations.pending(&client, None).await.unwrap().len(), 1);
    deploy(&migrations, &mut client).await.unwrap();
}

#[tokio::test]
async fn refinery_itself_agrees_with_the_history() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let migrations = table("create table a (id int)");
    deploy(&migrations, &mut client).await.unwrap();
    let steps: Vec<_> = migrations
        .iter()
        .map(|migration| refinery::Migration::unapplied(migration.name(), migration.sql()).unwrap())
        .collect();
    let report = refinery::Runner::new(&steps)
        .run_async(&mut client)
        .await
        .unwrap();
    assert!(report.applied_migrations().is_empty());
}
