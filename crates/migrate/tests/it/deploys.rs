//! What a deploy does when nothing is wrong.

use std::{sync::Mutex, time::Duration};

use tokio::task::JoinSet;
use usher_migrate::{DeployOptions, Error, Migrations, State};

use crate::support::{ask, connect, database, deploy, set};

#[tokio::test]
async fn a_deploy_into_an_empty_database_applies_everything_and_the_next_one_nothing() {
    let (database, migrations) = (database().await, Migrations::embedded().unwrap());
    let mut client = connect(database.url()).await;
    let first = deploy(&migrations, &mut client).await.unwrap();
    assert_eq!(first.applied.len(), migrations.iter().count());
    let second = deploy(&migrations, &mut client).await.unwrap();
    assert!(second.applied.is_empty());
    assert_eq!(second.partitions, Some(0));
    assert!(migrations.status(&client).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_deploy_makes_the_partitions_of_the_coming_months() {
    let (database, migrations) = (database().await, Migrations::embedded().unwrap());
    let mut client = connect(database.url()).await;
    deploy(&migrations, &mut client).await.unwrap();
    let newest =
        "select max(relname)::text from pg_class where relname ~ '^audit_logs_\\d{4}_\\d{2}$'";
    let name = ask(&client, newest).await.unwrap();
    client
        .batch_execute(&format!("drop table {name}"))
        .await
        .unwrap();
    assert_eq!(
        deploy(&migrations, &mut client).await.unwrap().partitions,
        Some(1)
    );
    assert_eq!(ask(&client, newest).await.unwrap(), name);
}

#[tokio::test]
async fn eight_deploys_at_a_time_apply_each_migration_once() {
    let database = database().await;
    let url = database.url().to_owned();
    let mut deploys = JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        deploys.spawn(async move {
            let migrations = Migrations::embedded().unwrap();
            let mut client = connect(&url).await;
            deploy(&migrations, &mut client).await.unwrap().applied
        });
    }
    let mut applied = deploys.join_all().await.concat();
    applied.sort();
    let migrations = Migrations::embedded().unwrap();
    let names: Vec<_> = migrations
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    assert_eq!(applied, names);
}

#[tokio::test]
async fn a_migration_may_follow_later() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    deploy(&set(&[("V1__a", "create table a ()")]), &mut client)
        .await
        .unwrap();
    let both = set(&[
        ("V1__a", "create table a ()"),
        ("V2__b", "create table b ()"),
    ]);
    let status = both.status(&client).await.unwrap();
    assert!(status.has_pending() && !status.is_broken() && !status.is_clean());
    assert_eq!(deploy(&both, &mut client).await.unwrap().applied, ["V2__b"]);
}

#[tokio::test]
async fn a_status_of_an_empty_database_is_all_pending_and_writes_nothing() {
    let (database, migrations) = (database().await, Migrations::embedded().unwrap());
    let client = connect(database.url()).await;
    client
        .batch_execute("set default_transaction_read_only = on")
        .await
        .unwrap();
    let status = migrations.status(&client).await.unwrap();
    assert!(
        status
            .entries
            .iter()
            .all(|entry| entry.state == State::Pending)
    );
    assert_eq!(
        ask(
            &client,
            "select to_regclass('refinery_schema_history')::text"
        )
        .await,
        None
    );
}

#[tokio::test]
async fn a_deploy_of_nothing_needs_no_right_to_create() {
    let (database, migrations) = (database().await, Migrations::embedded().unwrap());
    let mut client = connect(database.url()).await;
    deploy(&migrations, &mut client).await.unwrap();
    let role = format!("reader_{}", database.name());
    let prepare = format!(
        "create role {role}; grant select on refinery_schema_history to {role}; set role {role}"
    );
    client.batch_execute(&prepare).await.unwrap();
    let deployed = deploy(&migrations, &mut client).await.unwrap();
    assert_eq!((deployed.applied.len(), deployed.partitions), (0, None));
    let removal = format!("reset role; drop owned by {role}; drop role {role}");
    client.batch_execute(&removal).await.unwrap();
}

#[tokio::test]
async fn a_deploy_waits_for_another_one_and_says_who_it_is() {
    let database = database().await;
    let (migrations, told) = (set(&[("V1__a", "")]), Mutex::new(Vec::new()));
    let other = connect(&format!("{}?application_name=other", database.url())).await;
    other
        .batch_execute("select pg_advisory_lock(7306366115370000)")
        .await
        .unwrap();
    let mut client = connect(database.url()).await;
    let progress = |message: &str| told.lock().unwrap().push(message.to_owned());
    let error = migrations
        .deploy(
            &mut client,
            DeployOptions {
                lock_wait: Duration::from_millis(100),
                progress: &progress,
                ..DeployOptions::default()
            },
        )
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Busy { holder, .. } if holder.ends_with("(other)")),
        "{error}"
    );
    assert!(
        told.lock()
            .unwrap()
            .concat()
            .starts_with("waiting for another deploy: process ")
    );
    drop(other);
    deploy(&migrations, &mut client).await.unwrap();
}
