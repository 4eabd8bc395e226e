//! Old months of the audit log: they go as the owner laid down, and by nobody else's word.

use serde_json::json;
use usher_tests::connect;

use super::{PATH, count_of_old, entry, fill_months, month, start};

#[tokio::test]
async fn whole_old_months_go_and_their_entries_are_counted() {
    let t = start().await;
    fill_months(&t, 6).await;
    t.execute("insert into audit_retention (months) values (4)")
        .await;
    let done = t.scheduler().get(PATH).await.expect(200);
    let (sixth, fifth, fourth) = (month(&t, 6).await, month(&t, 5).await, month(&t, 4).await);
    assert_eq!(done["dropped"], json!([sixth, fifth]));
    let gone = json!([{ "month": sixth, "rows": 2 }, { "month": fifth, "rows": 2 }]);
    assert_eq!(entry(&t).await["payload"]["dropped"], gone);
    let oldest = "select to_char(min(created_at) at time zone 'UTC', 'YYYY-MM') from audit_logs";
    assert_eq!(
        t.sql(oldest, &[]).await,
        fourth,
        "the months that are kept are whole"
    );
    assert_eq!(count_of_old(&t).await, 2 * 4);
    let again = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(again["dropped"], json!([]));
}

#[tokio::test]
async fn a_log_without_retention_is_kept_for_ever() {
    let t = start().await;
    fill_months(&t, 30).await;
    let done = t.scheduler().get(PATH).await.expect(200);
    assert_eq!(
        (&done["dropped"], &done["remaining"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(count_of_old(&t).await, 60);
}

#[tokio::test]
async fn the_role_of_the_functions_cannot_end_a_month_that_is_to_be_kept() {
    let t = start().await;
    fill_months(&t, 6).await;
    let app = connect(&t.app_url()).await;
    let call = "select run_maintenance(1, 'MAINTAIN', 'Database', '{\"months\": 3, \"kept\": 0}', null, null, 'x', null)";
    // What a session looks at first: tables of its own; and its own idea of times and literals.
    let disguise = format!(
        "create temporary table audit_retention as select true as is_only, 3 as months;
        set search_path = pg_temp, public, pg_catalog;
        set timezone to 'Pacific/Kiritimati';
        set datestyle to 'SQL, DMY';
        set standard_conforming_strings = off;
        {call}"
    );
    app.batch_execute(&disguise).await.unwrap();
    assert_eq!(count_of_old(&t).await, 12, "without retention");
    t.execute("insert into audit_retention (months) values (5)")
        .await;
    app.batch_execute(call).await.unwrap();
    assert_eq!(
        count_of_old(&t).await,
        10,
        "the retention of the owner holds"
    );
    for _ in 0..3 {
        app.batch_execute(call).await.unwrap();
    }
    assert_eq!(count_of_old(&t).await, 10);
    // A run always tells.
    assert_eq!(t.audit().await.len(), 5);
    // Led by its caller, the function would believe the table of the caller.
    t.execute(
        "alter function run_maintenance(bigint, text, text, jsonb, inet, text, text, uuid) set search_path = public",
    )
    .await;
    app.batch_execute(call).await.unwrap();
    assert_eq!(count_of_old(&t).await, 6);
}

#[tokio::test]
async fn less_than_three_months_is_refused_even_to_the_owner() {
    let t = start().await;
    for months in [-1, 0, 2] {
        for statement in [
            format!("insert into audit_retention (months) values ({months})"),
            format!("select audit_logs_drop_old_months({months}, null)"),
        ] {
            let refused = t.refused(&statement).await;
            assert!(refused.starts_with("23514: "), "{statement}: {refused}");
        }
    }
}

#[tokio::test]
async fn a_month_whose_end_cannot_be_written_down_stays() {
    let t = start().await;
    fill_months(&t, 6).await;
    t.execute(
        "insert into audit_retention (months) values (3);
        alter table audit_logs add constraint audit_logs_test_check check (action = 'NONE') not valid",
    )
    .await;
    assert_eq!(t.scheduler().get(PATH).await.problem(500), "internal");
    assert_eq!(count_of_old(&t).await, 12);
}
