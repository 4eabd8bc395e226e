//! `usher studio`: what it shows, that it changes nothing unasked, and that it ends as psql does.

use std::{io::Write, process::Stdio};

use usher_devdb::TestDatabase;

use crate::support::{Ended, Folder, Running, connect, database};

/// A database with a table for each way to count.
async fn tables() -> TestDatabase {
    let database = database().await;
    let client = connect(database.url()).await;
    let making = "
        create table few as select generate_series(1, 7) as id;
        create table many as select generate_series(1, 100001) as id;
        create table counted as select generate_series(1, 100500) as id;
        create table parts (id int) partition by range (id);
        create table parts_1 partition of parts for values from (1) to (10);
        insert into parts values (1), (2);
        create table \"Odd name\" ();
        analyze counted, few";
    client.batch_execute(making).await.unwrap();
    database
}

/// Runs a session with this on its standard input.
fn session(folder: &Folder, url: &str, arguments: &[&str], input: &str) -> Ended {
    let arguments = [&["studio"], arguments].concat();
    let mut child = folder
        .usher(&arguments, &[("DATABASE_URL", url)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    Ended::from(child.wait_with_output().unwrap())
}

#[tokio::test]
async fn tables_and_their_rows_come_before_the_session() {
    let (folder, database) = (Folder::create(), tables().await);
    let ended = session(
        &folder,
        database.url(),
        &[],
        "select 'from ' || 'psql';\n\\q\n",
    );
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let mut lines = ended.output.lines();
    let place = lines.next().unwrap();
    let end = format!(
        ":5432/{} (read only, --write allows changes)",
        database.name()
    );
    assert!(place.ends_with(&end), "{place}");
    let shown: Vec<_> = lines
        .by_ref()
        .take(5)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        shown,
        [
            "Odd name 0",
            "counted about 100500",
            "few 7",
            "many over 100000",
            "parts 2"
        ]
    );
    assert!(
        lines.any(|line| line.trim() == "from psql"),
        "{}",
        ended.output
    );
}

#[tokio::test]
async fn a_statement_runs_alone_and_changes_only_what_was_allowed() {
    let (folder, database) = (Folder::create(), tables().await);
    let run = |arguments: &[&str]| {
        let arguments = [&["studio"], arguments].concat();
        folder.run(&arguments, &[("DATABASE_URL", database.url())])
    };
    let shown = run(&["-c", "select count(*) as number from few"]);
    assert_eq!(shown.code, Some(0), "{}", shown.errors);
    assert_eq!(shown.output, " number \n--------\n      7\n(1 row)\n\n");
    let refused = run(&["-c", "delete from few"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .errors
            .contains("cannot execute DELETE in a read-only transaction"),
        "{}",
        refused.errors
    );
    let changed = run(&["--write", "-c", "delete from few where id > 2"]);
    assert_eq!(changed.code, Some(0), "{}", changed.errors);
    let left = run(&["-c", "select id from few order by id"]);
    assert_eq!(left.output, " id \n----\n  1\n  2\n(2 rows)\n\n");
    assert_eq!(run(&["-c", "select nothing"]).code, Some(1));
}

#[tokio::test]
async fn variables_of_libpq_do_not_lead_elsewhere() {
    let (folder, database) = (Folder::create(), tables().await);
    let variables = [
        ("DATABASE_URL", database.url()),
        ("PGHOST", "db.invalid"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGDATABASE", "other"),
        ("PGSERVICE", "other"),
        ("PGSSLMODE", "require"),
        ("PGOPTIONS", "-c default_transaction_read_only=off"),
    ];
    let statement = "select current_database() || ' ' || current_setting('transaction_read_only')";
    let ended = folder.run(&["studio", "-c", statement], &variables);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.output.contains(&format!(" {} on\n", database.name())),
        "{}",
        ended.output
    );
}

#[test]
fn the_database_of_development_lives_as_long_as_the_session() {
    let folder = Folder::create();
    let running = Running::start(folder.usher(&["dev", "--port", "0"], &[]));
    assert_eq!(running.stop("INT").code, Some(0));
    let arguments = ["studio", "-c", "select email from users"];
    let ended = folder.run(&arguments, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.output.contains("admin@example.com"),
        "{}",
        ended.output
    );
    let failed = folder.run(&["studio", "-c", "drop table users"], &[]);
    assert_eq!(failed.code, Some(1), "{}", failed.errors);
    // Nobody is left who uses it.
    let emptied = folder.run(&["dev", "--port", "x"], &[]);
    assert_ne!(emptied.code, Some(0));
}

#[test]
fn a_session_that_cannot_be_kept_read_only_is_refused() {
    let folder = Folder::create();
    let pooled = "postgres://u:hunter2@127.0.0.1:6543/app";
    let ended = folder.run(&["studio", "--database-url", pooled], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(!ended.errors.contains("hunter2"), "{}", ended.errors);
}
