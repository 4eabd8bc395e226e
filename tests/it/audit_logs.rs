//! Reading the audit log.

use serde_json::json;
use usher_tests::{Person, TestApp};

#[tokio::test]
async fn the_newest_entries_come_first_with_all_that_is_known() {
    let t = TestApp::start().await;
    let admin = t.admin().with_header("x-request-id", "call-1");
    admin
        .patch("/api/users/4", json!({ "name": "Mem" }))
        .await
        .expect(200);
    let page = t
        .caller(Person::Auditor)
        .get("/api/audit-logs?limit=1")
        .await
        .expect(200);
    let entry = &page["data"][0];
    assert_eq!(
        entry,
        &json!({
            "id": entry["id"], "actorId": 1, "action": "UPDATE", "entity": "User", "entityId": 4,
            "payload": { "before": { "name": "member" }, "after": { "name": "Mem" } },
            "ip": "203.0.113.7", "userAgent": "test/1", "requestId": "call-1",
            "sessionId": Person::Admin.session(), "createdAt": entry["createdAt"],
        })
    );
}

#[tokio::test]
async fn reading_leaves_an_entry_too() {
    let t = TestApp::start().await;
    t.caller(Person::Auditor)
        .get("/api/audit-logs")
        .await
        .expect(200);
    let entries = t.audit().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (
            &entries[0]["action"],
            &entries[0]["entity"],
            &entries[0]["actor_id"]
        ),
        (&json!("READ"), &json!("AuditLog"), &json!(2))
    );
    let page = t
        .caller(Person::Auditor)
        .get("/api/audit-logs?action=READ")
        .await
        .expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn filters_hold_together_and_pages_are_walked() {
    let t = TestApp::start().await;
    t.execute(
        "insert into audit_logs (actor_id, action, entity, entity_id, created_at)
        select 1 + number % 3, case number % 2 when 0 then 'UPDATE' else 'DELETE' end, 'Thing', number % 5,
          date_trunc('month', now()) + make_interval(mins => number / 4)
        from generate_series(1, 40) as number",
    )
    .await;
    let auditor = t.caller(Person::Auditor);
    for (query, condition) in [
        ("entity=Thing", "true"),
        ("entity=Thing&entityId=3", "entity_id = 3"),
        ("entity=Thing&actorId=2", "actor_id = 2"),
        ("entity=Thing&action=DELETE", "action = 'DELETE'"),
        (
            "entity=Thing&actorId=1&action=UPDATE&entityId=4",
            "actor_id = 1 and action = 'UPDATE' and entity_id = 4",
        ),
    ] {
        let mut ids = Vec::new();
        let mut path = format!("/api/audit-logs?{query}&limit=6&fields=id");
        loop {
            let page = auditor.get(&path).await.expect(200);
            ids.extend(
                page["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|entry| entry["id"].clone()),
            );
            let Some(cursor) = page["page"]["nextCursor"].as_str() else {
                break;
            };
            path = format!("/api/audit-logs?{query}&limit=6&fields=id&cursor={cursor}");
        }
        let expected = t
            .sql(&format!("select coalesce(jsonb_agg(id order by created_at desc, id desc), '[]') from audit_logs where entity = 'Thing' and {condition}"), &[])
            .await;
        assert_eq!(json!(ids), expected, "{query}");
    }
}

#[tokio::test]
async fn a_span_of_time_is_listed() {
    let t = TestApp::start().await;
    t.execute(
        "insert into audit_logs (action, entity, created_at) values
          ('A', 'Span', date_trunc('month', now())),
          ('B', 'Span', date_trunc('month', now()) + interval '1 hour'),
          ('C', 'Span', date_trunc('month', now()) + interval '2 hours')",
    )
    .await;
    let time = t.sql("select to_char(date_trunc('month', now() at time zone 'UTC') + interval '1 hour', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", &[]).await;
    let time = time.as_str().unwrap();
    for (query, expected) in [
        (format!("from={time}"), json!(["C", "B"])),
        (format!("to={time}"), json!(["A"])),
    ] {
        let page = t
            .admin()
            .get(&format!(
                "/api/audit-logs?entity=Span&fields=action&{query}"
            ))
            .await
            .expect(200);
        let actions: Vec<_> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["action"].clone())
            .collect();
        assert_eq!(json!(actions), expected);
    }
}

#[tokio::test]
async fn every_bad_parameter_is_named_at_once() {
    let t = TestApp::start().await;
    let answer = t.admin().get("/api/audit-logs?actorId=-1&entity=a%20b&entityId=x&action=%00&from=x&to=y&limit=x&sort=id").await;
    assert_eq!(
        answer.faults(),
        [
            "action word",
            "actorId id",
            "entity word",
            "entityId id",
            "from date-time",
            "limit limit",
            "sort unknown",
            "to date-time"
        ]
    );
    assert!(t.audit().await.is_empty());
}
