//! What the scheduler has done to the database: how much, how often, and that nobody else has it done.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use usher_tests::{CRON_SECRET, TestApp, connect};

mod retention;

const PATH: &str = "/api/cron/maintain";

async fn start() -> TestApp {
    TestApp::with(&[("CRON_SECRET", CRON_SECRET)]).await
}

/// Runs a statement, and makes the server count at once what it did.
async fn counted(t: &TestApp, statement: &str) {
    t.execute(statement).await;
    t.execute("select pg_stat_force_next_flush()").await;
}

/// Makes the partitions of the last months with two rows in each; the one of this month is there.
async fn fill_months(t: &TestApp, months: u32) {
    let statement = format!(
        "set timezone to 'UTC';
        do $$
        declare
          month timestamptz;
        begin
          for ago in 1..{months} loop
            month := date_trunc('month', now()) - make_interval(months => ago);
            perform audit_logs_make_partition(
              'audit_logs_' || to_char(month, 'YYYY_MM'),
              format('for values from (%L) to (%L)', month, month + interval '1 month')
            );
            insert into audit_logs (action, entity, request_id, created_at)
            values ('X', 'Old', 'template', month), ('X', 'Old', 'template', month + interval '27 days');
          end loop;
        end
        $$"
    );
    t.execute(&statement).await;
}

/// Returns the month so many months ago, such as `2026-08`.
async fn month(t: &TestApp, ago: u32) -> String {
    let statement = format!(
        "select to_char(date_trunc('month', now() at time zone 'UTC') - make_interval(months => {ago}), 'YYYY-MM')"
    );
    t.sql(&statement, &[]).await.as_str().unwrap().to_owned()
}

async fn count_of_old(t: &TestApp) -> i64 {
    t.count("select count(*) from audit_logs where entity = 'Old'")
        .await
}

/// Returns the one entry that a run left.
async fn entry(t: &TestApp) -> Value {
    let mut entries = t.audit().await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

#[tokio::test]
async fn without_a_secret_there_is_nothing_to_call() {
    let t = TestApp::start().await;
    for caller in [t.anonymous(), t.admin(), t.scheduler()] {
        assert_eq!(caller.get(PATH).await.problem(404), "not-found");
    }
    assert!(t.audit().await.is_empty());
}

#[tokio::test]
async fn whoever_does_not_know_the_secret_gets_one_answer_and_nothing_is_done() {
    let t = start().await;
    counted(
        &t,
        "insert into users (name, email) select 'x', n || '@example.org' from generate_series(1, 200) as n",
    )
    .await;
    let mut answers = Vec::new();
    for caller in [
        t.anonymous(),
        t.anonymous().with_token("a secret of the scheduleR"),
        t.anonymous().with_token(&format!("{CRON_SECRET} ")),
        t.anonymous().with_token(""),
        t.scheduler().with_header("authorization", "Bearer x"),
        t.anonymous().with_header("authorization", CRON_SECRET),
        t.admin(),
    ] {
        let answer = caller.get(PATH).await;
        let mut body = answer.body();
        assert_eq!(answer.problem(401), "unauthenticated");
        body["requestId"] = Value::Null;
        answers.push((body, answer.header("www-authenticate").to_owned()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(t.audit().await.is_empty());
    let stale = "select count(*) from stale_statistics()";
    assert_eq!(t.count(stale).await, 1, "nothing was analyzed");
}

#[tokio::test]
async fn stale_statistics_are_made_fresh_once() {
    let t = start().await;
    counted(
        &t,
        "insert into users (name, email) select 'x', n || '@example.org' from generate_series(1, 200) as n;
        insert into audit_logs (action, entity, request_id) select 'X', 'User', 'template' from generate_series(1, 200)",
    )
    .await;
    let month = month(&t, 0).await.replace('-', "_");
    let done = t.scheduler().get(PATH).await.expect(200);
    let mut analyzed: Vec<String> = serde_json::from_value(done["analyzed"].clone()).unwrap();
    analyzed.sort();
    let expected = [
        "audit_logs".to_owned(),
        format!("audit_logs_{month}"),
        "users".to_owned(),
    ];
    assert_eq!(analyzed, expected);
    assert_eq!(done["remaining"], json!([]));
    let known = "select reltuples::bigint from pg_class where oid = 'audit_logs'::regclass";
    assert!(
        t.count(known).await >= 200,
        "the partitioned table as a whole"
    );
    let columns = "select count(*) from pg_stats where tablename = 'audit_logs' and inherited";
    assert!(t.count(columns).await > 5);
    assert_eq!(entry(&t).await["payload"]["analyzed"], done["analyzed"]);
    let again = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(again["analyzed"], json!([]));
}

#[tokio::test]
async fn what_is_too_much_for_one_call_is_named_and_the_rest_is_done() {
    let t = start().await;
    counted(
        &t,
        "insert into users (name, email) select 'x', n || '@example.org' from generate_series(1, 200) as n;
        insert into audit_logs (action, entity, request_id, created_at)
        select 'X', 'Old', 'template', now() - interval '5 years' from generate_series(1, 10001)",
    )
    .await;
    fill_months(&t, 9).await;
    // As if every month had many entries, and the oldest too many to count.
    t.execute(
        "do $$ begin execute format('alter database %I set default_statistics_target = 10000', current_database()); end $$;
        update pg_class set reltuples = 50000 where relispartition and relkind = 'r';
        insert into audit_retention (months) values (3)",
    )
    .await;
    let oldest = format!("audit_logs_{}", month(&t, 9).await.replace('-', "_"));
    t.execute(&format!(
        "update pg_class set reltuples = 2e6 where relname = '{oldest}'"
    ))
    .await;
    let done = t.scheduler().get(PATH).await.expect(200);
    let analyzed: Vec<_> = done["analyzed"].as_array().unwrap().iter().collect();
    assert!(analyzed.contains(&&json!("users")), "{done}");
    let remaining = done["remaining"].as_array().unwrap();
    let as_a_whole = remaining[0].as_str().unwrap();
    assert!(as_a_whole.starts_with("analyze ") && as_a_whole.ends_with(" audit_logs"));
    assert_eq!(remaining[1], "move the rows of audit_logs_default");
    assert_eq!(remaining[2], format!("drop {oldest}"));
    assert_eq!(
        remaining.len(),
        2 + 6,
        "the months behind it wait for it: {done}"
    );
    assert_eq!(done["dropped"], json!([]));
    assert_eq!(entry(&t).await["payload"]["remaining"], done["remaining"]);
    // The bound is what kept them.
    t.execute(&format!(
        "update pg_class set reltuples = 2 where relname = '{oldest}'"
    ))
    .await;
    let done = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(done["dropped"].as_array().unwrap().len(), 6, "{done}");
}

#[tokio::test]
async fn a_call_does_not_wait_for_one_table_after_the_other() {
    let t = start().await;
    let tables: Vec<_> = (1..=8).map(|number| format!("held_{number}")).collect();
    for table in &tables {
        counted(
            &t,
            &format!("create table {table} as select generate_series(1, 200) as id"),
        )
        .await;
    }
    let holder = connect(t.url()).await;
    let lock = format!(
        "begin; lock table {} in share update exclusive mode",
        tables.join(", ")
    );
    holder.batch_execute(&lock).await.unwrap();
    let started = Instant::now();
    let done = t.scheduler().get(PATH).await.expect(200);
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(done["remaining"].as_array().unwrap().len(), 8, "{done}");
}

#[tokio::test]
async fn partitions_are_made_and_strays_are_moved() {
    let t = start().await;
    let ahead = month(&t, 0).await;
    t.execute(
        "insert into audit_logs (action, entity, created_at, request_id)
        values ('X', 'Old', now() - interval '2 months', 'template')",
    )
    .await;
    let statement = "select max(inhrelid::regclass::text) from pg_inherits
        where inhparent = 'audit_logs'::regclass and inhrelid::regclass::text ~ '[0-9]$'";
    let last = t.sql(statement, &[]).await;
    t.execute(&format!("drop table {}", last.as_str().unwrap()))
        .await;
    let done = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(
        done["partitions"], 3,
        "two months back and the last one ahead of {ahead}"
    );
    assert_eq!(t.sql(statement, &[]).await, last);
    assert_eq!(t.count("select count(*) from audit_logs_default").await, 0);
    assert_eq!(count_of_old(&t).await, 1);
    assert_eq!(entry(&t).await["payload"]["partitions"], 3);
}

#[tokio::test]
async fn what_somebody_else_holds_is_left_for_the_next_call() {
    let t = start().await;
    fill_months(&t, 6).await;
    t.execute("insert into audit_retention (months) values (5)")
        .await;
    let holder = connect(t.url()).await;
    // As a vacuum does.
    holder
        .batch_execute("begin; lock table audit_logs_default in share update exclusive mode")
        .await
        .unwrap();
    let done = t.scheduler().get(PATH).await.expect(200);
    let month = month(&t, 6).await;
    let oldest = format!("drop audit_logs_{}", month.replace('-', "_"));
    assert_eq!(
        done["remaining"],
        json!(["make the partitions of audit_logs", oldest])
    );
    assert_eq!(count_of_old(&t).await, 12);
    holder.batch_execute("rollback").await.unwrap();
    let done = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(
        (&done["remaining"], &done["dropped"]),
        (&json!([]), &json!([month]))
    );
}

#[tokio::test]
async fn idempotency_keys_are_forgotten_after_their_day() {
    let t = start().await;
    t.execute(
        "insert into idempotency_keys (key, request, outcome, created_at)
        select sha256(hours::text::bytea), sha256('r'), '{}', now() - make_interval(hours => hours)
        from unnest(array[1, 23, 25, 50]) as hours",
    )
    .await;
    let done = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(done["forgotten"], 2);
    assert_eq!(entry(&t).await["payload"]["forgotten"], 2);
    assert_eq!(t.count("select count(*) from idempotency_keys").await, 2);
}

#[tokio::test]
async fn sessions_that_are_long_over_are_removed() {
    let t = start().await;
    let before = t.count("select count(*) from sessions").await;
    t.execute(
        "insert into sessions (id, user_id, refresh_hash, created_at, expires_at)
        select gen_random_uuid(), 4, sha256('r'), now() - interval '80 days', now() - make_interval(days => days)
        from unnest(array[1, 29, 31, 50]) as days",
    )
    .await;
    let done = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(done["sessions"], 2);
    assert_eq!(entry(&t).await["payload"]["sessions"], 2);
    let after = t.count("select count(*) from sessions").await;
    assert_eq!(after, before + 2);
}

#[tokio::test]
async fn two_calls_at_once_do_the_work_once() {
    let t = start().await;
    counted(
        &t,
        "insert into users (name, email) select 'x', n || '@example.org' from generate_series(1, 200) as n",
    )
    .await;
    let scheduler = t.scheduler();
    let (one, other) = tokio::join!(scheduler.get(PATH), scheduler.get(PATH));
    let mut analyzed: Vec<_> = [one, other]
        .into_iter()
        .map(|answer| answer.expect(200)["analyzed"].clone())
        .collect();
    analyzed.sort_by_key(|tables| tables.as_array().unwrap().len());
    assert_eq!(analyzed, [json!([]), json!(["users"])]);
    assert_eq!(t.audit().await.len(), 2, "each says what it did");
}
