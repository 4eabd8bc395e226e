//! Each thing that the report can find, provoked.

use super::{Maintained, advice, objects};
use crate::support::connect;

/// A table that is mostly empty, one with a reference, one with a row twice, one that will be read often.
const WRONG: &str = "
    create table swollen (id integer, words text);
    create index swollen_words_idx on swollen (words);
    insert into swollen select n, repeat(md5(n::text), 4) from generate_series(1, 100000) as n;
    delete from swollen where id % 10 <> 0;
    create table child (user_id bigint constraint child_user_id_fkey references users (id));
    create table twice (id integer);
    insert into twice values (1), (1);
    create table often (id integer);
    insert into often select generate_series(1, 10000)";

#[tokio::test]
async fn what_is_wrong_with_tables_and_indexes_is_found() {
    let m = Maintained::create().await;
    m.execute(WRONG).await;
    let failed = "create unique index concurrently twice_id_idx on twice (id)";
    m.client.batch_execute(failed).await.unwrap_err();
    let scans =
        "do $$ begin for number in 1..100 loop perform count(*) from often; end loop; end $$";
    m.execute(scans).await;
    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(code, Some(3));
    for (check, object, expected) in [
        ("bloat", "swollen", "run `vacuum full swollen`"),
        (
            "bloat",
            "swollen_words_idx",
            "run `reindex index concurrently swollen_words_idx`",
        ),
        ("dead-rows", "swollen", "run `vacuum (analyze) swollen`"),
        (
            "unused-index",
            "swollen_words_idx",
            "`drop index concurrently swollen_words_idx`",
        ),
        (
            "missing-index",
            "often",
            "read as a whole 100 times (by an index 0 times)",
        ),
        (
            "foreign-key",
            "child_user_id_fkey",
            "`create index concurrently on child (user_id)`",
        ),
        (
            "invalid-index",
            "twice_id_idx",
            "run `reindex index concurrently twice_id_idx`",
        ),
    ] {
        let said = advice(&shown, check, object);
        assert!(said.contains(expected), "{said}");
    }
    // The advice helps.
    m.execute("vacuum full swollen").await;
    m.execute("vacuum (analyze) swollen").await;
    m.execute(
        "set enable_seqscan = off; select from swollen where words = 'x'; reset enable_seqscan;
        create index on child (user_id);
        drop index twice_id_idx;
        select pg_stat_reset_single_table_counters('often'::regclass)",
    )
    .await;
    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(code, Some(0), "{shown:#}");
}

#[tokio::test]
async fn connections_and_open_transactions_are_found() {
    let m = Maintained::create().await;
    let (_, shown) = m.maintain(&[], &[]);
    assert_eq!(objects(&shown, "connections", "ok")[0], "the server");
    let name = m.text("current_database()").await;
    m.execute(&format!("alter database \"{name}\" connection limit 3"))
        .await;
    let other = connect(m.database.url()).await;
    other
        .batch_execute("set application_name to 'a report'; begin")
        .await
        .unwrap();
    let (code, shown) = m.maintain(&["--idle", "0"], &[]);
    assert_eq!(code, Some(3));
    let said = advice(&shown, "connections", "the database");
    assert!(
        said.starts_with("3 of 3 connections are in use; see below"),
        "{said}"
    );
    let whose = shown["lines"].to_string();
    assert!(
        whose.contains("1 from a report, idle in transaction"),
        "{whose}"
    );
    let pid: i32 = other
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let said = advice(&shown, "open-transaction", &format!("process {pid}"));
    assert!(
        said.contains("from a report has left a transaction open"),
        "{said}"
    );
    assert!(
        said.contains(&format!("`select pg_terminate_backend({pid})`")),
        "{said}"
    );
    // A minute is not over.
    let (_, shown) = m.maintain(&[], &[]);
    assert_eq!(objects(&shown, "open-transaction", "ok").len(), 1);
}

#[tokio::test]
async fn a_table_that_was_not_frozen_for_long_is_found() {
    let m = Maintained::create().await;
    m.execute(
        "create table aged (id integer) with (autovacuum_freeze_max_age = 100000);
        create procedure use_up(number integer) language plpgsql as $$
        begin
          for used in 1..number loop
            perform pg_current_xact_id();
            commit;
          end loop;
        end
        $$",
    )
    .await;
    m.execute("call use_up(151000)").await;
    let (code, shown) = m.maintain(&[], &[]);
    assert_eq!(code, Some(3), "{shown:#}");
    let said = advice(&shown, "transaction-ids", "aged");
    assert!(
        said.contains("autovacuum should at 100000; run `vacuum (freeze) aged`"),
        "{said}"
    );
    m.execute("vacuum (freeze) aged").await;
    assert_eq!(m.maintain(&[], &[]).0, Some(0));
}
