//! The own trail: what one did, what others did to the account, and nothing about those others.

use serde_json::{Value, json};
use usher_tests::{PASSWORD, Person, TestApp, query_log};

const PATH: &str = "/api/me/audit-logs";

#[tokio::test]
async fn the_trail_holds_both_sides_and_hides_who_the_others_are() {
    let t = TestApp::start().await;
    t.member()
        .patch("/api/me", json!({ "name": "Mem" }))
        .await
        .expect(200);
    t.admin()
        .patch("/api/users/4", json!({ "name": "Member" }))
        .await
        .expect(200);
    t.anonymous()
        .sign_in("member@example.com", "not the password")
        .await
        .problem(401);
    t.admin()
        .patch("/api/users/2", json!({ "name": "Aud" }))
        .await
        .expect(200);
    let trail = t.member().get(PATH).await.expect(200);
    let shown: Vec<_> = trail["data"]
        .as_array()
        .unwrap()
        .iter()
        // The last one is that of the account itself.
        .take(3)
        .map(|entry| {
            let known = ["ip", "userAgent", "sessionId"].map(|name| !entry[name].is_null());
            (entry["actor"].clone(), entry["action"].clone(), known)
        })
        .collect();
    let expected = [
        (json!("nobody"), json!("LOGIN_FAILED"), [false; 3]),
        (json!("other"), json!("UPDATE"), [false; 3]),
        (json!("self"), json!("UPDATE"), [true; 3]),
    ];
    assert_eq!(shown, expected);
    assert_eq!(
        trail["data"][1]["payload"],
        json!({ "before": { "name": "Mem" }, "after": { "name": "Member" } })
    );
    let text = trail.to_string();
    assert!(!text.contains("admin") && !text.contains("Aud"), "{text}");
    assert!(!text.contains(&Person::Admin.session().to_string()));
}

#[tokio::test]
async fn what_one_did_to_others_is_there_without_what_is_theirs() {
    let t = TestApp::start().await;
    let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    t.admin().post("/api/users", new).await.expect(201);
    let change = json!({ "name": "Boss" });
    t.admin().patch("/api/users/1", change).await.expect(200);
    let trail = t.admin().get(PATH).await.expect(200);
    let about = |number: usize| {
        let entry = &trail["data"][number];
        (entry["entityId"].clone(), entry["payload"].is_null())
    };
    assert_eq!([about(0), about(1)], [(json!(1), false), (json!(6), true)]);
    assert!(!trail.to_string().contains("ada@example.com"));
}

#[tokio::test]
async fn every_entry_of_the_trail_is_on_one_page_and_no_other_one_is() {
    let t = TestApp::start().await;
    // Of several at the same moment, some stand on one side, some on the other, and some on both.
    t.execute(
        "insert into audit_logs (actor_id, action, entity, entity_id, created_at)
        select case when number % 3 > 0 then 4 else 1 end, 'UPDATE', case when number % 7 = 0 then 'Thing' else 'User' end,
          case when number % 2 = 0 then 4 else 2 end, date_trunc('month', now()) + make_interval(mins => number / 8)
        from generate_series(1, 200) as number",
    )
    .await;
    let expected = "select array_agg(id order by created_at desc, id desc)
        from audit_logs
        where actor_id = 4 or (entity = 'User' and entity_id = 4)";
    let expected = t.sql(expected, &[]).await;
    let mut ids = Vec::new();
    let mut path = format!("{PATH}?limit=7&fields=id");
    loop {
        let page = t.member().get(&path).await.expect(200);
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
        path = format!("{PATH}?limit=7&fields=id&cursor={cursor}");
    }
    assert_eq!(Value::from(ids), expected);
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let t = TestApp::start().await;
    for number in 0..3 {
        let change = json!({ "name": format!("Admin {number}") });
        t.admin().patch("/api/me", change).await.expect(200);
    }
    let page = t.admin().get("/api/audit-logs?limit=1").await.expect(200);
    let cursor = page["page"]["nextCursor"].as_str().unwrap();
    let refused = t.admin().get(&format!("{PATH}?cursor={cursor}")).await;
    assert_eq!(refused.problem(400), "validation-failed");
    t.anonymous().get(PATH).await.problem(401);
}

#[tokio::test]
async fn however_long_the_trail_is_a_page_reads_no_more_than_itself() {
    let t = TestApp::start().await;
    t.execute(
        "insert into audit_logs (actor_id, action, entity, entity_id, created_at)
        select 4, 'REFRESH', 'User', 4, date_trunc('month', now()) + make_interval(secs => number / 100.0)
        from generate_series(1, 50000) as number",
    )
    .await;
    t.execute("vacuum analyze audit_logs").await;
    query_log::keep();
    let page = t
        .member()
        .get(&format!("{PATH}?limit=100"))
        .await
        .expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 100);
    let queries = query_log::take();
    let own = queries
        .iter()
        .find(|query| query.context == "list own audit logs");
    let statement = &own.unwrap().statement;
    t.execute("set plan_cache_mode = force_generic_plan").await;
    let plan = t.explain_run(statement, &["4", "User"]).await;
    let most = plan
        .split("actual rows=")
        .skip(1)
        .filter_map(|rest| rest.split([' ', '.', ')']).next()?.parse::<u64>().ok())
        .max();
    assert!(most.is_some_and(|most| most <= 202), "{plan}");
}
