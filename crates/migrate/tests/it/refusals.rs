//! What a deploy refuses, and what is left of one that fails.

use usher_migrate::{Error, Migrations, State};

use crate::support::{ask, connect, database, deploy, set};

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_and_says_where() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let sql = "-- é\ncreate table half ();\nselect * from nowhere;\n";
    let migrations = set(&[
        ("V1__whole", "create table whole ()"),
        ("V2__half", sql),
        ("V3__never", ""),
    ]);
    let error = deploy(&migrations, &mut client).await.unwrap_err();
    let text = error.to_string();
    let Error::Failed(failure) = error else {
        panic!("{text}")
    };
    assert_eq!(
        (failure.migration.as_str(), failure.line, failure.before),
        ("V2__half", Some(3), 1)
    );
    assert_eq!(failure.code.as_deref(), Some("42P01"));
    assert_eq!(
        text,
        "V2__half failed at line 3 of V2__half.sql: relation \"nowhere\" does not exist (SQLSTATE 42P01)\n  \
        3 | select * from nowhere;\n    |               ^\n\
        nothing of it was kept; the migration before it was done and stays so\n\
        correct it, then run `usher migrate deploy` again"
    );
    assert_eq!(ask(&client, "select to_regclass('half')::text").await, None);
    assert_eq!(
        ask(
            &client,
            "select string_agg(name, ' ') from refinery_schema_history"
        )
        .await
        .unwrap(),
        "whole"
    );
    let locks = "select count(*)::text from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
    assert_eq!(
        ask(&client, locks).await.unwrap(),
        "0",
        "the lock is released"
    );
    deploy(
        &set(&[("V1__whole", "create table whole ()"), ("V2__half", "")]),
        &mut client,
    )
    .await
    .unwrap();
}

/// Deploys one set, then another one that has to be refused, and returns what was said.
async fn refused(first: &Migrations, second: &Migrations, state: State) -> String {
    let database = database().await;
    let mut client = connect(database.url()).await;
    deploy(first, &mut client).await.unwrap();
    let status = second.status(&client).await.unwrap();
    assert!(status.is_broken());
    assert!(status.entries.iter().any(|entry| entry.state == state));
    let error = deploy(second, &mut client).await.unwrap_err();
    assert!(matches!(error, Error::Broken(_)));
    assert!(
        first.status(&client).await.unwrap().is_clean(),
        "nothing has changed"
    );
    error.to_string()
}

#[tokio::test]
async fn a_migration_that_was_changed_is_refused() {
    let text = refused(
        &set(&[("V1__a", "")]),
        &set(&[("V1__a", " ")]),
        State::Divergent,
    )
    .await;
    assert!(
        text.contains("V1__a (divergent) was changed after it was applied"),
        "{text}"
    );
}

#[tokio::test]
async fn a_migration_that_is_unknown_here_is_refused() {
    let newer = set(&[("V1__a", ""), ("V2__b", "")]);
    let text = refused(&newer, &set(&[("V1__a", "")]), State::Missing).await;
    assert!(
        text.contains("V2__b (missing) is applied and unknown here"),
        "{text}"
    );
}

#[tokio::test]
async fn a_migration_that_comes_too_late_is_refused() {
    let late = set(&[("V1__a", ""), ("V2__b", "")]);
    let text = refused(&set(&[("V2__b", "")]), &late, State::OutOfOrder).await;
    assert!(
        text.contains("V1__a (out of order) is older than the newest applied one"),
        "{text}"
    );
}

#[tokio::test]
async fn a_history_that_was_edited_by_hand_is_refused() {
    let (database, migrations) = (database().await, set(&[("V1__a", ""), ("V2__b", "")]));
    let mut client = connect(database.url()).await;
    deploy(&set(&[("V1__a", "")]), &mut client).await.unwrap();
    for edit in [
        "applied_on = 'yesterday'",
        "checksum = 'x'",
        "name = null",
        "applied_on = null, checksum = null",
    ] {
        client
            .batch_execute(&format!("update refinery_schema_history set {edit}"))
            .await
            .unwrap();
        let status = migrations.status(&client).await.unwrap();
        assert_eq!(status.entries[0].state, State::Divergent, "{edit}");
        assert!(matches!(
            deploy(&migrations, &mut client).await.unwrap_err(),
            Error::Broken(_)
        ));
    }
}

#[tokio::test]
async fn a_role_that_may_not_create_is_told_so() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    client
        .batch_execute("set role pg_read_all_data")
        .await
        .unwrap();
    let error = deploy(&set(&[("V1__a", "")]), &mut client)
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::History(_)), "{error}");
}
