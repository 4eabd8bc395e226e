//! Old months of the audit log: dropped whole, only when it was said for how long to keep it, and never in silence.

use serde_json::{Value, json};

use super::{Maintained, objects};
use crate::support::connect;

const NAME: &str = "USHER_AUDIT_RETENTION_MONTHS";

/// The months 1 to 6 before this one, with two entries each.
const MONTHS: &str = "
    set timezone to 'UTC';
    insert into audit_logs (action, entity, created_at)
    select 'X', 'Old', date_trunc('month', now()) - make_interval(months => ago) + day * interval '20 days'
    from generate_series(1, 6) as ago, generate_series(0, 1) as day;
    select audit_logs_make_partitions()";

async fn filled() -> Maintained {
    let m = Maintained::create().await;
    m.execute(MONTHS).await;
    m
}

impl Maintained {
    async fn months(&self) -> String {
        let question =
            "select string_agg(distinct to_char(created_at at time zone 'UTC', 'YYYY-MM'), ' ')
            from audit_logs where entity = 'Old'";
        self.text(question).await
    }

    async fn month(&self, ago: u32) -> String {
        let question = format!(
            "to_char(date_trunc('month', now() at time zone 'UTC') - make_interval(months => {ago}), 'YYYY-MM')"
        );
        self.text(&question).await
    }

    /// Returns the details of the entries that the command left.
    async fn entries(&self) -> Value {
        let question = "select jsonb_agg(payload order by id) from audit_logs
            where action = 'MAINTAIN' and entity = 'Database' and user_agent = 'usher maintain'";
        serde_json::from_str(&self.text(question).await).unwrap_or_default()
    }
}

#[tokio::test]
async fn without_the_variable_nothing_goes_and_nothing_is_written() {
    let m = filled().await;
    let before = m.months().await;
    assert_eq!(m.run(&["maintain", "--yes"], &[]).code, Some(0));
    assert_eq!(m.months().await, before);
    assert_eq!(m.entries().await, Value::Null);
}

#[tokio::test]
async fn nothing_goes_without_an_answer_to_the_question() {
    let m = filled().await;
    let before = m.months().await;
    let ended = m.run(&["maintain"], &[(NAME, "4")]);
    assert_eq!(ended.code, Some(1));
    let oldest = m.month(6).await;
    assert!(
        ended
            .errors
            .contains(&format!("would be dropped:\n  {oldest} (about 2 rows)\n")),
        "{}",
        ended.errors
    );
    assert!(
        ended
            .errors
            .contains("use --yes to drop them without a question"),
        "{}",
        ended.errors
    );
    let (code, shown) = m.maintain(&["--dry-run"], &[(NAME, "4")]);
    assert_eq!(code, Some(3));
    assert_eq!(objects(&shown, "retention", "todo").len(), 3, "{shown:#}");
    assert_eq!(m.months().await, before);
    assert_eq!(m.text("select count(*) from audit_retention").await, "0");
    assert_eq!(m.entries().await, Value::Null);
}

#[tokio::test]
async fn whole_old_months_go_with_one_entry_and_the_scheduler_goes_on() {
    let m = filled().await;
    let (sixth, fifth) = (m.month(6).await, m.month(5).await);
    let (code, shown) = m.maintain(&["--yes"], &[(NAME, "4")]);
    assert_eq!(code, Some(0), "{shown:#}");
    assert_eq!(
        objects(&shown, "retention", "done"),
        ["audit_logs", &sixth, &fifth]
    );
    let kept = m.months().await;
    assert_eq!(kept.split(' ').count(), 4);
    assert!(kept.starts_with(&m.month(4).await), "{kept}");
    let entry = json!({
        "retentionMonths": { "before": null, "after": 4 },
        "dropped": [{ "month": sixth, "rows": 2 }, { "month": fifth, "rows": 2 }],
    });
    assert_eq!(m.entries().await, json!([entry]));
    assert_eq!(m.text("select months from audit_retention").await, "4");

    // Nothing is due and nothing is new: nothing is written.
    let (code, shown) = m.maintain(&[], &[(NAME, "4")]);
    assert_eq!(
        (code, objects(&shown, "retention", "ok").len()),
        (Some(0), 1)
    );
    assert_eq!(m.entries().await, json!([entry]));

    // The next month is due for the scheduler, which asks nobody.
    m.execute("update audit_retention set months = 3").await;
    let app = connect(&m.database.url_as("usher_app")).await;
    let call = "select run_maintenance(null, 'MAINTAIN', 'Database', null, null, null, 'x', null)";
    app.batch_execute(call).await.unwrap();
    assert_eq!(m.months().await.split(' ').count(), 3);
}

#[tokio::test]
async fn the_variable_is_written_down_and_taken_back() {
    let m = Maintained::create().await;
    for (value, stored) in [(Some("24"), "24"), (Some("36"), "36"), (None, "")] {
        let variables: Vec<_> = value.map(|value| (NAME, value)).into_iter().collect();
        assert_eq!(m.run(&["maintain"], &variables).code, Some(0));
        let found = m.text("select months from audit_retention").await;
        assert_eq!(found, stored);
    }
    let entries = m.entries().await;
    let changes: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["retentionMonths"])
        .collect();
    assert_eq!(
        changes,
        [
            &json!({ "before": null, "after": 24 }),
            &json!({ "before": 24, "after": 36 }),
            &json!({ "before": 36, "after": null }),
        ]
    );
}

#[tokio::test]
async fn too_short_a_time_is_refused_before_anything_is_done() {
    let m = filled().await;
    for value in ["0", "2", "-1", "2 years"] {
        let ended = m.run(&["maintain", "--yes"], &[(NAME, value)]);
        assert_eq!(ended.code, Some(1));
        let expected = "error: USHER_AUDIT_RETENTION_MONTHS must be a whole number from 3 to 1200";
        assert!(ended.errors.starts_with(expected), "{}", ended.errors);
    }
    assert_eq!(m.months().await.split(' ').count(), 6);
}

#[tokio::test]
async fn a_log_that_is_being_read_is_told_and_loses_nothing() {
    let m = filled().await;
    let reader = connect(m.database.url()).await;
    reader
        .batch_execute("begin; select from audit_logs limit 1")
        .await
        .unwrap();
    let ended = m.run(&["maintain", "--yes"], &[(NAME, "3")]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .contains("error: nothing was dropped, since the audit log was in use"),
        "{}",
        ended.errors
    );
    assert_eq!(m.months().await.split(' ').count(), 6);
    assert_eq!(m.text("select count(*) from audit_retention").await, "0");
}
