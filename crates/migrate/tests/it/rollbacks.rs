//! The way back: in which order, how far, what is refused, what would be lost.

use usher_migrate::{Back, Error, Kept, Migrations, Snapshot};

use crate::support::{ask, connect, database, deploy};

/// A table, a column with an index, and a view of both.
fn three() -> Migrations {
    Migrations::from_parts(&[
        (
            "V1__a",
            "create table a (id int); insert into a values (1), (2)",
            "drop table a;",
        ),
        (
            "V2__b",
            "alter table a add column b text; create index a_b_idx on a (b)",
            "-- The values of b.\nalter table a drop column b;",
        ),
        (
            "V3__c",
            "create view c as select id, b from a",
            "drop view c;",
        ),
    ])
    .unwrap()
}

#[tokio::test]
async fn migrations_are_undone_newest_first_and_can_be_applied_again() {
    let (database, migrations) = (database().await, three());
    let mut client = connect(database.url()).await;
    let mut before = vec![Snapshot::read(&client).await.unwrap()];
    for migration in &migrations {
        deploy(&migrations.up_to(migration.version()), &mut client)
            .await
            .unwrap();
        before.push(Snapshot::read(&client).await.unwrap());
    }
    let undone = migrations
        .rollback(&mut client, Back::Steps(1), &|_| {})
        .await
        .unwrap();
    assert_eq!(undone, ["V3__c"]);
    assert_eq!(
        before[2].differences(&Snapshot::read(&client).await.unwrap()),
        []
    );
    let undone = migrations
        .rollback(&mut client, Back::To(0), &|_| {})
        .await
        .unwrap();
    assert_eq!(undone, ["V2__b", "V1__a"]);
    assert_eq!(
        before[0].differences(&Snapshot::read(&client).await.unwrap()),
        []
    );
    assert!(
        migrations
            .rollback(&mut client, Back::Steps(9), &|_| {})
            .await
            .unwrap()
            .is_empty()
    );
    deploy(&migrations, &mut client).await.unwrap();
    assert_eq!(
        before[3].differences(&Snapshot::read(&client).await.unwrap()),
        []
    );
    let undone = migrations
        .rollback(&mut client, Back::To(2), &|_| {})
        .await
        .unwrap();
    assert_eq!(undone, ["V3__c"]);
    let unknown = migrations.rollback(&mut client, Back::To(3), &|_| {}).await;
    assert!(matches!(unknown, Err(Error::UnknownVersion { version: 3 })));
}

#[tokio::test]
async fn what_would_be_lost_is_known_before_and_nothing_is_lost_by_asking() {
    let (database, migrations) = (database().await, three());
    let mut client = connect(database.url()).await;
    deploy(&migrations, &mut client).await.unwrap();
    client
        .batch_execute("update a set b = 'x' where id = 1")
        .await
        .unwrap();
    let before = Snapshot::read(&client).await.unwrap();
    let chosen = migrations.undoable(&client, Back::Steps(3)).await.unwrap();
    let losses = migrations.losses(&mut client, &chosen).await.unwrap();
    let named: Vec<_> = losses
        .iter()
        .map(|loss| (loss.object.to_string(), loss.rows))
        .collect();
    assert_eq!(
        named,
        [
            ("column a.b".to_owned(), Some(1)),
            ("column a.id".to_owned(), Some(2)),
            ("column c.b".to_owned(), Some(1)),
            ("column c.id".to_owned(), Some(2)),
            ("index a_b_idx".to_owned(), None),
            ("table a".to_owned(), Some(2)),
            ("view c".to_owned(), None),
        ]
    );
    assert_eq!(
        before.differences(&Snapshot::read(&client).await.unwrap()),
        []
    );
    assert!(migrations.status(&client).await.unwrap().is_clean());
}

#[tokio::test]
async fn what_cannot_be_undone_says_so_and_stays_whole() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let migrations = Migrations::from_parts(&[
        (
            "V1__a",
            "create table a (id int)",
            "-- irreversible: the old names are gone\n",
        ),
        ("V2__b", "create table b (id int)", "-- Nothing here.\n"),
        (
            "V3__c",
            "create table c (id int)",
            "drop table c; drop table nowhere;",
        ),
    ])
    .unwrap();
    for (last, rows, expected) in [
        (
            1,
            "1",
            "V1__a cannot be undone: the old names are gone; restore a backup",
        ),
        (2, "2", "V2__b has no rollback"),
        (
            3,
            "3",
            "the rollback of V3__c failed at line 1 of rollback.sql: table \"nowhere\" does not exist",
        ),
    ] {
        let migrations = migrations.up_to(last);
        deploy(&migrations, &mut client).await.unwrap();
        let error = migrations
            .rollback(&mut client, Back::Steps(1), &|_| {})
            .await
            .unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        let count = "select count(*)::text from refinery_schema_history";
        assert_eq!(ask(&client, count).await.as_deref(), Some(rows));
    }
    let is_there = "select to_regclass('c')::text";
    assert_eq!(ask(&client, is_there).await.as_deref(), Some("c"));
}

#[tokio::test]
async fn a_history_that_changes_meanwhile_undoes_nothing() {
    let (database, migrations) = (database().await, three());
    let mut client = connect(database.url()).await;
    deploy(&migrations, &mut client).await.unwrap();
    // The history changes between the look and the act: as if another program had undone it.
    let edited = Migrations::from_parts(&[
        (
            "V1__a",
            "create table a (id int); insert into a values (1), (2)",
            "drop table a;",
        ),
        (
            "V2__b",
            "alter table a add column b text; create index a_b_idx on a (b)",
            "alter table a drop column b;",
        ),
        (
            "V3__c",
            "create view c as select id, b from a",
            "drop view c; delete from refinery_schema_history where version = 3;",
        ),
    ])
    .unwrap();
    let error = edited
        .rollback(&mut client, Back::Steps(1), &|_| {})
        .await
        .unwrap_err();
    let Error::RollbackFailed(failure) = &error else {
        panic!("{error}")
    };
    assert_eq!(failure.kept, Kept::Nothing);
    assert!(
        error.to_string().contains("the history changed meanwhile"),
        "{error}"
    );
    assert_eq!(
        ask(&client, "select to_regclass('c')::text")
            .await
            .as_deref(),
        Some("c")
    );
}

#[tokio::test]
async fn a_history_that_is_not_ours_is_refused_where_it_is_reached() {
    let (database, migrations) = (database().await, three());
    let mut client = connect(database.url()).await;
    deploy(&migrations, &mut client).await.unwrap();
    client
        .batch_execute("update refinery_schema_history set checksum = '1' where version = 2")
        .await
        .unwrap();
    let refused = migrations
        .rollback(&mut client, Back::Steps(2), &|_| {})
        .await;
    assert!(matches!(refused, Err(Error::Broken(_))));
    let undone = migrations
        .rollback(&mut client, Back::Steps(1), &|_| {})
        .await
        .unwrap();
    assert_eq!(undone, ["V3__c"]);
}
