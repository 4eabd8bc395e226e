//! What the database itself refuses, whoever asks.

use serde_json::json;
use usher_tests::TestApp;

#[tokio::test]
async fn the_audit_log_is_append_only_for_its_owner_too() {
    let t = TestApp::start().await;
    t.admin().get("/api/audit-logs").await.expect(200);
    let partition = t
        .sql(
            "select tableoid::regclass::text from audit_logs limit 1",
            &[],
        )
        .await;
    for table in ["audit_logs", partition.as_str().unwrap()] {
        for (statement, verb) in [
            (format!("update {table} set action = 'X'"), "update"),
            (format!("delete from {table}"), "delete"),
            (format!("truncate {table}"), "truncate"),
            (
                format!(
                    "insert into {table} select * from {table} limit 1 on conflict (id, created_at) do update set action = 'X'"
                ),
                "update",
            ),
        ] {
            assert_eq!(
                t.refused(&statement).await,
                format!("42501: audit_logs is append-only: {verb} is refused"),
                "{statement}"
            );
        }
    }
    let refused = t.refused("truncate users cascade").await;
    assert!(refused.contains("append-only"), "{refused}");
}

#[tokio::test]
async fn entries_fall_into_the_partition_of_their_month() {
    let t = TestApp::start().await;
    let partitions = "select count(*) from pg_inherits where inhparent = 'audit_logs'::regclass";
    assert_eq!(
        t.count(partitions).await,
        5,
        "this month, three ahead, and the net"
    );
    t.admin().get("/api/audit-logs").await.expect(200);
    assert_eq!(t.count("select count(*) from audit_logs_default").await, 0);
    t.execute("insert into audit_logs (action, entity, created_at) values ('OLD', 'Thing', now() - interval '3 months')").await;
    assert_eq!(t.count("select count(*) from audit_logs_default").await, 1);
    t.execute("select audit_logs_make_partitions()").await;
    assert_eq!(t.count("select count(*) from audit_logs_default").await, 0);
    assert_eq!(
        t.count("select count(*) from audit_logs where action = 'OLD'")
            .await,
        1
    );
    assert!(
        t.refused("update audit_logs set action = 'X' where action = 'OLD'")
            .await
            .contains("append-only")
    );
}

#[tokio::test]
async fn only_registered_roles_are_held() {
    let t = TestApp::start().await;
    let refused = t
        .refused("update users set roles = '{user,wizard}' where id = 4")
        .await;
    assert_eq!(refused, "23503: role \"wizard\" is not registered");
    for roles in ["{}", "{null}", "{user,null}"] {
        assert!(
            t.refused(&format!("update users set roles = '{roles}' where id = 4"))
                .await
                .starts_with("23"),
            "{roles}"
        );
    }
}

#[tokio::test]
async fn columns_keep_their_limits() {
    let t = TestApp::start().await;
    for (column, limit) in [("name", 120), ("avatar_url", 500), ("password", 255)] {
        t.execute(&format!(
            "update users set {column} = repeat('x', {limit}) where id = 4"
        ))
        .await;
        assert!(
            t.refused(&format!(
                "update users set {column} = repeat('x', {limit} + 1) where id = 4"
            ))
            .await
            .starts_with("23514"),
            "{column}"
        );
    }
    t.execute("update users set email = repeat('x', 168) || '@example.com' where id = 4")
        .await;
    assert!(
        t.refused("update users set email = repeat('x', 169) || '@example.com' where id = 4")
            .await
            .starts_with("23514")
    );
    assert!(
        t.refused("update users set email = 'Upper@example.com' where id = 4")
            .await
            .starts_with("23514")
    );
    for column in ["action", "entity"] {
        let statement = |limit: usize| {
            format!(
                "insert into audit_logs (action, entity) select case '{column}' when 'action' then repeat('x', {limit}) else 'A' end, case '{column}' when 'entity' then repeat('x', {limit}) else 'E' end"
            )
        };
        t.execute(&statement(50)).await;
        assert!(
            t.refused(&statement(51)).await.starts_with("23514"),
            "{column}"
        );
    }
}

#[tokio::test]
async fn a_new_row_has_the_defaults_of_the_seed() {
    let t = TestApp::start().await;
    t.execute("insert into users (name, email) values ('A', 'a@example.org')")
        .await;
    let user = t
        .sql(
            "select to_jsonb(users) from users where email = 'a@example.org'",
            &[],
        )
        .await;
    assert_eq!(
        (
            &user["roles"],
            &user["is_active"],
            &user["avatar_url"],
            &user["password"]
        ),
        (&json!(["user"]), &json!(true), &json!(null), &json!(null))
    );
    assert_eq!(user["created_at"], user["updated_at"]);
}

#[tokio::test]
async fn the_last_admin_stays_even_against_plain_sql() {
    let t = TestApp::start().await;
    for statement in [
        "update users set roles = '{user}'",
        "update users set is_active = false where id = 1",
        "update users set deleted_at = now() where id = 1",
        "delete from sessions; delete from users where id = 1",
    ] {
        assert!(
            t.refused(statement)
                .await
                .ends_with("the last active admin must stay one"),
            "{statement}"
        );
    }
}
