//! `usher maintain`: what it does, each thing that it finds, and how a program is told.

use serde_json::{Value, json};
use tokio_postgres::Client;
use usher_devdb::TestDatabase;

use crate::support::{Ended, Folder, connect, database};

mod findings;
mod retention;

/// A database with the schema, and a folder to run the command in.
struct Maintained {
    folder: Folder,
    database: TestDatabase,
    client: Client,
}

impl Maintained {
    async fn create() -> Self {
        let (folder, database) = (Folder::create(), database().await);
        let client = connect(database.url()).await;
        let maintained = Self {
            folder,
            database,
            client,
        };
        let deployed = maintained.run(&["migrate", "deploy"], &[]);
        assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
        maintained
    }

    /// Runs statements, and makes the server count at once what they did.
    async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
        let flush = "select pg_stat_force_next_flush()";
        self.client.batch_execute(flush).await.unwrap();
    }

    async fn text(&self, question: &str) -> String {
        let statement = format!("select coalesce(({question})::text, '')");
        self.client.query_one(&statement, &[]).await.unwrap().get(0)
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let url = [("DATABASE_URL", self.database.url())];
        self.folder.run(arguments, &[&url, variables].concat())
    }

    /// Runs `usher maintain --json`, and returns the exit code with what it shows.
    fn maintain(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, Value) {
        let ended = self.run(&[&["maintain", "--json"], arguments].concat(), variables);
        let shown = serde_json::from_str(&ended.output).unwrap_or_else(|_| panic!("{ended:?}"));
        (ended.code, shown)
    }
}

/// Returns the objects of the lines of a check that stand so.
fn objects(shown: &Value, check: &str, state: &str) -> Vec<String> {
    let lines = shown["lines"].as_array().unwrap().iter();
    lines
        .filter(|line| line["check"] == check && line["state"] == state)
        .map(|line| line["object"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Returns what is to be done about an object.
fn advice(shown: &Value, check: &str, object: &str) -> String {
    let mut lines = shown["lines"].as_array().unwrap().iter();
    let line = lines.find(|line| line["check"] == check && line["object"] == object);
    let line = line.unwrap_or_else(|| panic!("{check} {object}: {shown:#}"));
    assert_eq!(line["state"], "todo", "{line}");
    format!(
        "{}; {}",
        line["what"].as_str().unwrap(),
        line["advice"].as_str().unwrap()
    )
}

#[tokio::test]
async fn stale_tables_are_analyzed_once_and_the_partitioned_one_as_a_whole() {
    let m = Maintained::create().await;
    m.execute(
        "insert into users (name, email) select 'x', n || '@example.org' from generate_series(1, 200) as n;
        insert into audit_logs (action, entity) select 'X', 'User' from generate_series(1, 200)",
    )
    .await;
    let (code, shown) = m.maintain(&["--dry-run"], &[]);
    let month = m.text("to_char(now() at time zone 'UTC', 'YYYY_MM')").await;
    let stale = [
        "audit_logs".to_owned(),
        format!("audit_logs_{month}"),
        "users".to_owned(),
    ];
    assert_eq!(objects(&shown, "statistics", "todo"), stale);
    assert_eq!((code, &shown["state"]), (Some(3), &json!("todo")));
    let known = "select reltuples > 0 from pg_class where oid = 'audit_logs'::regclass";
    assert_eq!(m.text(known).await, "false");

    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(
        (code, &shown["state"]),
        (Some(0), &json!("clean")),
        "{shown:#}"
    );
    // Up to version 17 its months come with the whole.
    let done = objects(&shown, "statistics", "done");
    let is_done = |table: &str| done.iter().any(|done| done == table);
    assert!(is_done("audit_logs") && is_done("users"), "{done:?}");
    assert_eq!(m.text(known).await, "true");
    let inherited =
        "select count(*) > 5 from pg_stats where tablename = 'audit_logs' and inherited";
    assert_eq!(m.text(inherited).await, "true");

    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(objects(&shown, "statistics", "ok").len(), 1, "{shown:#}");
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn partitions_are_made_and_what_stays_in_the_default_one_is_told() {
    let m = Maintained::create().await;
    let ahead =
        "to_char(date_trunc('month', now() at time zone 'UTC') + interval '3 months', 'YYYY-MM')";
    let ahead = m.text(ahead).await;
    m.execute(&format!(
        "drop table audit_logs_{};
        insert into audit_logs (action, entity, created_at) values ('X', 'User', now() - interval '2 months')",
        ahead.replace('-', "_")
    ))
    .await;
    let (code, shown) = m.maintain(&["--dry-run"], &[]);
    assert_eq!(code, Some(3));
    let said = advice(&shown, "partitions", "audit_logs");
    assert!(
        said.starts_with(&format!("{ahead} has no partition; `usher maintain`")),
        "{said}"
    );
    let said = advice(&shown, "partitions", "audit_logs_default");
    assert!(
        said.ends_with("`usher maintain` moves them to their months"),
        "{said}"
    );
    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(code, Some(0), "{shown:#}");
    assert_eq!(objects(&shown, "partitions", "done"), ["audit_logs"]);
    m.execute("insert into audit_logs (action, entity, created_at) values ('X', 'User', now() + interval '1 year')")
        .await;
    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(code, Some(3));
    let said = advice(&shown, "partitions", "audit_logs_default");
    assert!(said.contains("dated in the future"), "{said}");
}

#[tokio::test]
async fn idempotency_keys_go_after_their_day() {
    let m = Maintained::create().await;
    m.execute(
        "insert into idempotency_keys (key, request, outcome, created_at)
        select sha256(hours::text::bytea), sha256('r'), '{}', now() - make_interval(hours => hours)
        from unnest(array[1, 25]) as hours",
    )
    .await;
    let (code, shown) = m.maintain(&["--dry-run"], &[]);
    assert_eq!(code, Some(3));
    let said = advice(&shown, "idempotency-keys", "idempotency_keys");
    assert!(said.starts_with("1 older than a day"), "{said}");
    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(code, Some(0), "{shown:#}");
    assert_eq!(m.text("select count(*) from idempotency_keys").await, "1");
}

#[tokio::test]
async fn the_schema_may_have_any_name() {
    let (folder, database) = (Folder::create(), database().await);
    let client = connect(database.url()).await;
    let move_in = "do $$ begin
          execute format('alter database %I set search_path = \"Our Users\"', current_database());
        end $$;
        create schema \"Our Users\"; set search_path = \"Our Users\"";
    client.batch_execute(move_in).await.unwrap();
    let m = Maintained {
        folder,
        database,
        client,
    };
    let deployed = m.run(&["migrate", "deploy"], &[]);
    assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
    m.execute("insert into users (name, email) select 'x', n || '@example.org' from generate_series(1, 200) as n;
        create table child (user_id bigint constraint child_user_id_fkey references users (id))")
        .await;
    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(code, Some(3), "{shown:#}");
    assert_eq!(objects(&shown, "statistics", "done"), ["users"]);
    assert_eq!(
        objects(&shown, "foreign-key", "todo"),
        ["child_user_id_fkey"]
    );
    let app = connect(&m.database.url_as("usher_app")).await;
    let call = "select run_maintenance(null, 'MAINTAIN', 'Database', null, null, null, 'x', null)";
    app.batch_execute(call).await.unwrap();
    assert_eq!(m.text("select count(*) from audit_logs").await, "1");
}

#[tokio::test]
async fn people_read_lines_and_an_error_says_what_to_do() {
    let m = Maintained::create().await;
    let ended = m.run(&["maintain"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended
            .output
            .contains("ok    retention          the audit log is kept for ever\n"),
        "{}",
        ended.output
    );
    assert!(
        ended.output.ends_with("\nnothing is left to do\n"),
        "{}",
        ended.output
    );

    let app = m.database.url_as("usher_app");
    let ended = m.run(&["maintain", "--database-url", &app], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .starts_with("error: usher_app does not own the tables of "),
        "{}",
        ended.errors
    );

    m.execute("select pg_advisory_lock(7306366115370002)").await;
    let ended = m.run(&["maintain"], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains("looked after already: run it again"),
        "{}",
        ended.errors
    );

    let empty = database().await;
    let ended = m.run(&["maintain", "--database-url", empty.url()], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains("run `usher migrate deploy` first"),
        "{}",
        ended.errors
    );
}
