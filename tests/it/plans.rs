//! The statements of lists and lookups are answered from an index: the database explains what it would do. What a
//! search does depends on what it meets: see `search.rs`.

use usher_tests::{TestApp, query_log};

/// Returns the statement that was logged under this name since the last look.
fn logged(context: &str) -> String {
    let queries = query_log::take();
    let query = queries.iter().find(|query| query.context == context);
    let query = query.unwrap_or_else(|| panic!("{context} is not in the log: {queries:?}"));
    query.statement.clone()
}

async fn generate(t: &TestApp) {
    t.execute(
        "insert into users (name, email, is_active, roles, created_at)
        select md5(number::text), 'person' || number || '@example.org', number % 50 <> 0,
          case when number % 1000 = 0 then '{auditor}' else '{user}' end::text[], now() - make_interval(secs => number)
        from generate_series(1, 20000) as number;
        insert into audit_logs (actor_id, action, entity, entity_id, created_at)
        select 1 + number % 5, 'UPDATE', 'User', number % 2000, date_trunc('month', now()) + make_interval(secs => number / 10.0)
        from generate_series(1, 20000) as number;
        insert into sessions (id, user_id, refresh_hash, expires_at)
        select gen_random_uuid(), 1 + number % 5, sha256('x'), now() from generate_series(1, 20000) as number",
    )
    .await;
    // Merges what is pending in the trigram index, as autovacuum does elsewhere.
    t.execute("vacuum analyze").await;
}

/// What is asked, the statement it leads to, the values that are sent, and the index that answers. Where a filter follows
/// whose best plan depends on its value, the plan is for these values, and otherwise for any.
const CASES: [(&str, &str, &[&str], &str); 16] = [
    ("/api/users", "list users", &[], "users_created_at_idx"),
    (
        "/api/users?sort=createdAt&limit=1",
        "list users",
        &[],
        "users_created_at_idx",
    ),
    ("/api/users?sort=name", "list users", &[], "users_name_idx"),
    ("/api/users?sort=-name", "list users", &[], "users_name_idx"),
    (
        "/api/users?sort=email",
        "list users",
        &[],
        "users_email_key",
    ),
    ("/api/users?sort=-id", "list users", &[], "users_pkey"),
    (
        "/api/users?isActive=false",
        "list users",
        &["false"],
        "users_is_active_idx",
    ),
    (
        "/api/users?role=auditor",
        "list users",
        &["{auditor}"],
        "users_roles_idx",
    ),
    (
        "/api/users?email=person7@example.org",
        "list users",
        &["person7@example.org"],
        "users_email_key",
    ),
    ("/api/users/4", "find user", &["4"], "users_pkey"),
    (
        "/api/me",
        "authorise",
        &[
            "00000000-0000-0000-0000-00000000a001",
            "1",
            "-infinity",
            "infinity",
        ],
        "sessions_pkey",
    ),
    ("/api/audit-logs", "list audit logs", &[], "created_at"),
    (
        "/api/audit-logs?actorId=2",
        "list audit logs",
        &["2"],
        "actor_id",
    ),
    (
        "/api/me/audit-logs",
        "list own audit logs",
        &["2", "User"],
        "actor_id",
    ),
    (
        "/api/audit-logs?action=MAINTAIN",
        "list audit logs",
        &["MAINTAIN"],
        "action_created_at_id_idx",
    ),
    (
        "/api/audit-logs?entity=User&entityId=77",
        "list audit logs",
        &["User", "77"],
        "entity",
    ),
];

/// Plans statements for any values from now on, as a plan is that is kept, or else for those that are sent.
async fn plan_for(t: &TestApp, any: bool) {
    let mode = if any { "generic" } else { "custom" };
    t.execute(&format!("set plan_cache_mode = force_{mode}_plan"))
        .await;
}

#[tokio::test]
async fn every_list_and_lookup_is_answered_from_its_index() {
    let t = TestApp::start().await;
    generate(&t).await;
    query_log::keep();
    for (path, context, values, index) in CASES {
        t.admin().get(path).await.expect(200);
        let is_for_these = ["isActive", "role", "action="]
            .iter()
            .any(|filter| path.contains(filter));
        plan_for(&t, !is_for_these).await;
        let plan = t.explain(&logged(context), values).await;
        assert!(plan.contains(index), "{path}: not by {index}:\n{plan}");
        // The few roles are read whole, and an empty partition at no cost.
        let mut scans = plan
            .lines()
            .filter(|line| line.contains("Seq Scan") && !line.contains("on roles "));
        assert!(
            scans.all(|line| line.contains("cost=0.00..0.00")),
            "{path}:\n{plan}"
        );
    }
}

#[tokio::test]
async fn a_deep_page_is_entered_by_the_index() {
    let t = TestApp::start().await;
    generate(&t).await;
    plan_for(&t, true).await;
    query_log::keep();
    for (sort, values, condition) in [
        (
            "createdAt",
            &["2026-01-01", "7"][..],
            "ROW(created_at, id) >",
        ),
        ("-name", &["m", "7"], "ROW(name, id) <"),
        ("-email", &["m"], "email <"),
        ("id", &["7"], "id >"),
    ] {
        let path = format!("/api/users?limit=1&sort={sort}");
        let page = t.admin().get(&path).await.expect(200);
        let cursor = page["page"]["nextCursor"].as_str().unwrap();
        query_log::take();
        t.admin()
            .get(&format!("{path}&cursor={cursor}"))
            .await
            .expect(200);
        let plan = t.explain(&logged("list users"), values).await;
        assert!(
            plan.contains(&format!("Index Cond: ({condition}")),
            "{plan}"
        );
        assert!(!plan.contains("Sort"), "{plan}");
    }
}
