//! `usher migrate` with migrations of its own: a developer's day, and eight deploys of which one is killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use serde_json::Value;
use tokio_postgres::Client;

use crate::support::{Ended, Folder, connect, database};

fn migrate(folder: &Folder, arguments: &[&str], url: &str) -> Ended {
    let all = [&["migrate"], arguments, &["--migrations", "migrations"]].concat();
    folder.run(&all, &[("DATABASE_URL", url)])
}

async fn ask(client: &Client, question: &str) -> String {
    client.query_one(question, &[]).await.unwrap().get(0)
}

#[test]
fn a_new_migration_has_the_time_as_its_version() {
    let folder = Folder::create();
    fs::create_dir(folder.path().join("migrations")).unwrap();
    let new = |name| folder.run(&["migrate", "new", name, "--migrations", "migrations"], &[]);
    let made = new("make_things");
    assert_eq!(made.code, Some(0), "{}", made.errors);
    let files: Vec<_> = made.output.lines().collect();
    let name = files[0].split('/').nth(1).unwrap();
    assert!(name.ends_with("__make_things"), "{name}");
    assert_eq!(name.len(), "V20261124000000__make_things".len());
    assert_eq!(
        files,
        [
            format!("migrations/{name}/{name}.sql"),
            format!("migrations/{name}/rollback.sql")
        ]
    );
    for (name, fault) in [
        ("make_things", "has that name already"),
        ("Make things", "is no name of a migration"),
    ] {
        let refused = new(name);
        assert!(refused.errors.contains(fault), "{}", refused.errors);
    }
    assert!(new("more").output.contains("__more.sql"));
}

#[tokio::test]
async fn a_migration_is_applied_and_undone() {
    let (folder, database) = (Folder::create(), database().await);
    let name = "V1__make_things";
    folder.migration((
        name,
        "create table things (id int);\n",
        "drop table things;\n",
    ));
    let client = connect(database.url()).await;
    let dry = migrate(&folder, &["deploy", "--dry-run"], database.url());
    assert!(
        dry.output.contains("create table things (id int);"),
        "{}",
        dry.output
    );
    let is_there = "select coalesce(to_regclass('things')::text, 'none')";
    assert_eq!(ask(&client, is_there).await, "none");
    let deployed = migrate(&folder, &["deploy", "--json"], database.url());
    let shown: Value = serde_json::from_str(&deployed.output).unwrap();
    assert_eq!(shown["applied"], serde_json::json!([name]));
    client
        .batch_execute("insert into things values (1), (2)")
        .await
        .unwrap();

    let asked = migrate(&folder, &["rollback"], database.url());
    assert_eq!(asked.code, Some(1));
    assert!(
        asked.errors.contains("table things with 2 rows"),
        "{}",
        asked.errors
    );
    assert!(
        asked
            .errors
            .contains("nothing was done, since nobody is there to ask"),
        "{}",
        asked.errors
    );
    assert_eq!(ask(&client, is_there).await, "things");
    let undone = migrate(&folder, &["rollback", "--yes"], database.url());
    assert_eq!(
        (undone.code, undone.output),
        (Some(0), format!("undone {name}\n"))
    );
    assert_eq!(ask(&client, is_there).await, "none");
}

#[tokio::test]
async fn a_reset_leaves_the_schema_and_nothing_in_it() {
    let (folder, database) = (Folder::create(), database().await);
    let variables = [("DATABASE_URL", database.url())];
    let client = connect(database.url()).await;
    client
        .batch_execute("create table left_over (id int)")
        .await
        .unwrap();
    let asked = folder.run(&["migrate", "reset"], &variables);
    assert!(
        asked.errors.contains("nothing was done"),
        "{}",
        asked.errors
    );
    let reset = folder.run(&["migrate", "reset", "--yes"], &variables);
    assert_eq!(reset.code, Some(0), "{}", reset.errors);
    let client = connect(database.url()).await;
    let tables = "select string_agg(relname, ',' order by relname) from pg_class
        where oid in (to_regclass('left_over'), to_regclass('users'))";
    assert_eq!(ask(&client, tables).await, "users");
    let elsewhere = (
        "DATABASE_URL",
        "postgres://u@db.invalid/app?sslmode=require",
    );
    let refused = folder.run(&["migrate", "reset", "--yes"], &[elsewhere]);
    assert_eq!(refused.code, Some(1));
}

/// Starts a deploy in the background.
fn start(folder: &Folder, url: &str) -> Child {
    let arguments = ["migrate", "deploy", "--migrations", "migrations"];
    folder
        .usher(&arguments, &[("DATABASE_URL", url)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn of_eight_deploys_one_is_killed_and_the_others_finish() {
    let (folder, database) = (Folder::create(), database().await);
    for number in 1..=4 {
        let name = format!("V{number}__t{number}");
        let up = format!("create table t{number} (id int);\nselect pg_sleep(0.2);\n");
        folder.migration((&name, &up, &format!("drop table t{number};\n")));
    }
    let index =
        "-- migrate: no-transaction\ncreate index concurrently if not exists t1_idx on t1 (id);\n";
    folder.migration((
        "V5__index",
        index,
        "-- migrate: no-transaction\ndrop index concurrently t1_idx;\n",
    ));
    let mut killed = start(&folder, database.url());
    let mut said = BufReader::new(killed.stderr.take().unwrap()).lines();
    // It has the lock, one migration is done and the next one is under way.
    assert!(said.any(|line| line.unwrap() == "applying V2__t2"));
    let others: Vec<_> = (0..7).map(|_| start(&folder, database.url())).collect();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut applied = Vec::new();
    for other in others {
        let ended = Ended::from(other.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let lines = ended
            .output
            .lines()
            .filter_map(|line| line.strip_prefix("applied "));
        applied.extend(lines.map(str::to_owned));
    }
    applied.sort();
    assert_eq!(applied, ["V2__t2", "V3__t3", "V4__t4", "V5__index"]);
    let status = migrate(&folder, &["status"], database.url());
    assert_eq!(status.code, Some(0), "{}{}", status.output, status.errors);
    let client = connect(database.url()).await;
    let locks = "select count(*)::text from pg_locks
        where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(ask(&client, locks).await, "0");
    let invalid = "select count(*)::text from pg_index where not indisvalid";
    assert_eq!(ask(&client, invalid).await, "0");
}
