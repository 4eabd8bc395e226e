//! What the live schema is compared in, and by whom.

use tokio_postgres::Client;
use usher_devdb::TestDatabase;
use usher_migrate::{Error, Migrations};

use crate::support::{connect, database, deploy};

mod changes;

/// A database as the migrations make it.
async fn deployed() -> (TestDatabase, Client) {
    let database = database().await;
    let mut client = connect(database.url()).await;
    deploy(&Migrations::embedded().unwrap(), &mut client)
        .await
        .unwrap();
    (database, client)
}

/// Compares with an empty database, and returns what differs as lines without the definitions that are shown whole.
async fn drift(client: &mut Client) -> Vec<String> {
    let migrations = Migrations::embedded().unwrap();
    let live = migrations.look(client).await.unwrap();
    let empty = database().await;
    let mut empty = connect(empty.url()).await;
    let differences = migrations.drift(&live, &mut empty).await.unwrap();
    differences.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_database_as_it_was_deployed_has_no_drift() {
    let (_database, mut client) = deployed().await;
    assert_eq!(drift(&mut client).await, [""; 0]);
    // Months come and go.
    let months = "select audit_logs_make_partition('audit_logs_2020_01', 'for values from (''2020-01-01'') to (''2020-02-01'')');
        drop table audit_logs_default";
    client.batch_execute(months).await.unwrap();
    let lines = drift(&mut client).await;
    assert_eq!(
        lines,
        [
            "- table audit_logs_default: partition of audit_logs DEFAULT with triggers audit_logs_refuse_change, \
             audit_logs_refuse_truncate",
            "- trigger audit_logs_default.audit_logs_refuse_truncate: CREATE TRIGGER audit_logs_refuse_truncate BEFORE \
             TRUNCATE ON audit_logs_default FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_refuse_change()",
        ]
    );
}

#[tokio::test]
async fn every_kind_of_object_is_compared() {
    let (_database, mut client) = deployed().await;
    let mut expected: Vec<&str> = Vec::new();
    for (change, lines) in changes::CHANGES {
        client
            .batch_execute(change)
            .await
            .unwrap_or_else(|error| panic!("{change}: {error:?}"));
        expected.extend(lines);
    }
    let found = drift(&mut client).await;
    for line in &expected {
        assert!(
            found.iter().any(|found| found.starts_with(line)),
            "not found: {line}\n{found:#?}"
        );
    }
    let surplus: Vec<_> = found
        .iter()
        .filter(|found| !expected.iter().any(|line| found.starts_with(line)))
        .collect();
    assert!(surplus.is_empty(), "{surplus:#?}");
}

#[tokio::test]
async fn a_partition_that_was_changed_is_named() {
    let (_database, mut client) = deployed().await;
    let month = client
        .query_one("select to_char(now() at time zone 'UTC', 'YYYY_MM')", &[])
        .await
        .unwrap();
    let partition = format!("audit_logs_{}", month.get::<_, String>(0));
    for change in [
        format!("alter table {partition} disable trigger audit_logs_refuse_change"),
        format!("alter table {partition} alter column created_at set default '2020-01-01'"),
        format!("create index on {partition} (request_id)"),
        format!("alter table {partition} add check (actor_id is not null)"),
        format!("grant select on {partition} to usher_auditor"),
    ] {
        client.batch_execute(&change).await.unwrap();
    }
    let found = drift(&mut client).await;
    let starts = [
        format!("+ column {partition}.created_at: "),
        format!("+ constraint audit_logs_<month>.{partition}_actor_id_check: "),
        "+ grant table audit_logs_<month> to usher_auditor: SELECT".to_owned(),
        format!("+ index {partition}_request_id_idx: "),
        format!(
            "+ table {partition}: partition of audit_logs with triggers audit_logs_refuse_change enabled D"
        ),
    ];
    for (found, start) in found.iter().zip(&starts) {
        assert!(found.starts_with(start), "{found}");
    }
    assert_eq!(found.len(), starts.len(), "{found:#?}");
}

#[tokio::test]
async fn a_role_that_owns_nothing_finds_the_same() {
    let (database, client) = deployed().await;
    let role = format!("reader_{}", database.name());
    let statements = format!(
        "create role \"{role}\" login;
        alter role \"{role}\" set default_transaction_read_only = on;
        create index extra_idx on users (updated_at)"
    );
    client.batch_execute(&statements).await.unwrap();
    let mut reader = connect(&database.url_as(&role)).await;
    let refused = Migrations::embedded().unwrap().look(&mut reader).await;
    assert!(matches!(refused, Err(Error::Hidden)), "{refused:?}");
    let granting = format!("grant select on refinery_schema_history to \"{role}\"");
    client.batch_execute(&granting).await.unwrap();
    let found = drift(&mut reader).await;
    let index = "+ index extra_idx: CREATE INDEX extra_idx ON users USING btree (updated_at)";
    assert_eq!(found, [index]);
    let leaving = format!("drop owned by \"{role}\"; drop role \"{role}\"");
    drop(reader);
    client.batch_execute(&leaving).await.unwrap();
}

#[tokio::test]
async fn another_schema_and_another_place_of_an_extension_are_no_drift() {
    let database = database().await;
    let mut client = connect(database.url()).await;
    let places = "create schema \"Our users\"; create schema extensions; create extension pg_trgm schema extensions;
        set search_path = \"Our users\", extensions";
    client.batch_execute(places).await.unwrap();
    deploy(&Migrations::embedded().unwrap(), &mut client)
        .await
        .unwrap();
    assert_eq!(drift(&mut client).await, [""; 0]);
    client
        .batch_execute("create schema empty; revoke all on schema public from public; set search_path = nowhere")
        .await
        .unwrap();
    let refused = Migrations::embedded().unwrap().look(&mut client).await;
    assert!(matches!(refused, Err(Error::NoSchema)), "{refused:?}");
}

#[tokio::test]
async fn only_what_is_applied_is_made_again() {
    let migrations = Migrations::embedded().unwrap();
    let first = migrations.iter().next().unwrap().version();
    let database = database().await;
    let mut client = connect(database.url()).await;
    deploy(&migrations.up_to(first), &mut client).await.unwrap();
    let live = migrations.look(&mut client).await.unwrap();
    assert_eq!(live.version(), first);
    assert!(live.status.has_pending());
    assert_eq!(drift(&mut client).await, [""; 0]);
}
