//! Databases of tests: cloned, dropped, swept away.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinSet;
use tokio_postgres::NoTls;
use usher_devdb::{Cluster, test_cluster};

use crate::support::{Folder, ask, start};

async fn execute(url: &str, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let (result, _) = tokio::join!(
        async {
            let result = client.batch_execute(statement).await;
            drop(client);
            result
        },
        connection
    );
    result
}

/// Returns a name that no other run uses, should several share the server.
fn unique(name: &str) -> String {
    format!("{name}_{}", std::process::id())
}

async fn names(cluster: &Cluster) -> Vec<String> {
    let admin = cluster.admin().await.unwrap();
    let rows = admin
        .query("select datname::text as name from pg_database", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get("name")).collect()
}

#[tokio::test]
async fn eight_databases_are_cloned_at_a_time() {
    let template = test_cluster()
        .template(&unique("clones"), |url| async move {
            execute(&url, "create table cloned ()").await
        })
        .await
        .unwrap();
    let mut creations = JoinSet::new();
    for _ in 0..8 {
        let template = template.clone();
        creations.spawn(async move { template.create().await.unwrap() });
    }
    let databases = creations.join_all().await;
    for database in &databases {
        assert_eq!(
            ask(database.url(), "select current_database()::text")
                .await
                .unwrap(),
            database.name()
        );
        assert_eq!(
            ask(database.url(), "select to_regclass('cloned')::text")
                .await
                .unwrap(),
            "cloned"
        );
    }
}

#[tokio::test]
async fn a_template_is_filled_once() {
    static FILLED: AtomicU32 = AtomicU32::new(0);
    let mut requests = JoinSet::new();
    for _ in 0..4 {
        requests.spawn(async {
            let template = test_cluster()
                .template(&unique("once"), |_| async {
                    FILLED.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, std::io::Error>(())
                })
                .await;
            template.unwrap();
        });
    }
    requests.join_all().await;
    assert_eq!(FILLED.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_template_whose_filling_failed_is_made_anew() {
    let cluster = test_cluster();
    let failed = cluster
        .template(&unique("failing"), |url| async move {
            execute(&url, "create table half (); nonsense").await
        })
        .await;
    let error = failed.unwrap_err().to_string();
    assert!(
        error.starts_with("could not migrate the template failing_"),
        "{error}"
    );
    let template = cluster
        .template(&unique("failing"), |url| async move {
            execute(&url, "create table whole ()").await
        })
        .await
        .unwrap();
    let database = template.create().await.unwrap();
    assert_eq!(
        ask(database.url(), "select to_regclass('whole')::text")
            .await
            .unwrap(),
        "whole"
    );
}

#[tokio::test]
async fn a_database_is_gone_soon_after_its_test() {
    let cluster = test_cluster();
    let database = cluster.blank().create().await.unwrap();
    let name = database.name().to_owned();
    assert!(names(cluster).await.contains(&name));
    drop(database);
    for _ in 0..500 {
        if !names(cluster).await.contains(&name) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{name} is still there");
}

#[tokio::test]
async fn a_sweep_drops_what_dead_runs_left_and_nothing_else() {
    let folder = Folder::create();
    let cluster = start(folder.path(), false).unwrap();
    let alive = cluster.blank().create().await.unwrap();
    let dead = "usher_test_00000000000000ff_0";
    cluster.ensure_database(dead).await.unwrap();
    cluster
        .ensure_database("usher_test_of_somebody")
        .await
        .unwrap();
    assert_eq!(cluster.sweep().await.unwrap(), 1);
    let left = names(&cluster).await;
    assert!(left.contains(&alive.name().to_owned()));
    assert!(left.contains(&"usher_test_of_somebody".to_owned()));
    assert!(!left.contains(&dead.to_owned()));
}

#[tokio::test]
async fn a_connection_string_is_understood_by_the_driver_and_by_others() {
    let url = test_cluster().url("usher");
    let config: tokio_postgres::Config = url.parse().unwrap();
    assert_eq!(config.get_dbname(), Some("usher"));
    assert_eq!(config.get_user(), Some("postgres"));
    assert_eq!(url::Url::parse(&url).unwrap().path(), "/usher");
}
