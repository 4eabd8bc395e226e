//! Roles: listed, given, taken away, and never more than the giver holds.

use serde_json::json;
use usher_tests::{Person, TestApp};

#[tokio::test]
async fn the_built_in_roles_are_listed_with_their_permissions() {
    let t = TestApp::start().await;
    let roles = t.admin().get("/api/roles").await.expect(200);
    let names: Vec<_> = roles["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| role["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["admin", "auditor", "helper", "user"]);
    assert_eq!(
        roles["data"][1]["permissions"],
        json!(["audit:read", "roles:read", "users:read"])
    );
    assert_eq!(roles["data"][1]["isBuiltIn"], true);
    assert_eq!(
        roles["page"],
        json!({ "nextCursor": null, "hasMore": false })
    );
}

#[tokio::test]
async fn roles_hold_from_the_next_request_on() {
    let t = TestApp::start().await;
    let member = t.member();
    assert_eq!(member.get("/api/users").await.problem(403), "forbidden");
    let user = t
        .admin()
        .put(
            "/api/users/4/roles",
            json!({ "roles": ["user", "auditor", "user"] }),
        )
        .await
        .expect(200);
    assert_eq!(user["roles"], json!(["auditor", "user"]));
    member.get("/api/users").await.expect(200);
    let shown = t.admin().get("/api/users/4/roles").await.expect(200);
    assert_eq!(
        shown["permissions"],
        json!(["audit:read", "roles:read", "users:read"])
    );
    t.admin()
        .put("/api/users/4/roles", json!({ "roles": ["user"] }))
        .await
        .expect(200);
    assert_eq!(member.get("/api/users").await.problem(403), "forbidden");
}

#[tokio::test]
async fn the_last_active_admin_stays() {
    let t = TestApp::start().await;
    let admin = t.admin();
    assert_eq!(
        admin
            .put("/api/users/1/roles", json!({ "roles": ["user"] }))
            .await
            .problem(409),
        "last-admin"
    );
    assert_eq!(
        admin
            .patch("/api/users/1", json!({ "isActive": false }))
            .await
            .problem(409),
        "last-admin"
    );
    assert_eq!(
        admin.delete("/api/users/1").await.problem(409),
        "last-admin"
    );
    assert!(t.audit().await.is_empty());
    // An inactive admin is none.
    t.admin()
        .put("/api/users/5/roles", json!({ "roles": ["admin"] }))
        .await
        .expect(200);
    assert_eq!(
        admin.delete("/api/users/1").await.problem(409),
        "last-admin"
    );
    t.admin()
        .put("/api/users/4/roles", json!({ "roles": ["admin"] }))
        .await
        .expect(200);
    assert_eq!(admin.delete("/api/users/1").await.status(), 204);
}

#[tokio::test]
async fn nobody_gives_away_or_acts_on_more_than_they_hold() {
    let t = TestApp::start().await;
    let helper = t.caller(Person::Helper);
    for request in [
        helper
            .patch("/api/users/1", json!({ "email": "mine@example.com" }))
            .await,
        helper.patch("/api/users/2", json!({ "name": "x" })).await,
        helper.delete("/api/users/1").await,
    ] {
        assert_eq!(request.problem(403), "role-escalation");
    }
    let new = json!({ "name": "A", "email": "a@example.com", "roles": ["user", "admin"] });
    assert_eq!(
        helper.post("/api/users", new.clone()).await.problem(403),
        "forbidden"
    );
    assert_eq!(
        helper
            .put("/api/users/3/roles", json!({ "roles": ["admin"] }))
            .await
            .problem(403),
        "forbidden"
    );
    // With the right to give roles, but not to read the audit log.
    t.execute(
        "update roles set permissions = permissions || '{roles:grant}' where name = 'helper'",
    )
    .await;
    assert_eq!(
        helper.post("/api/users", new).await.problem(403),
        "role-escalation"
    );
    for (path, roles) in [
        ("/api/users/3/roles", ["admin"]),
        ("/api/users/4/roles", ["auditor"]),
    ] {
        assert_eq!(
            helper
                .put(path, json!({ "roles": roles }))
                .await
                .problem(403),
            "role-escalation"
        );
    }
    assert!(t.audit().await.is_empty());
    helper
        .put("/api/users/4/roles", json!({ "roles": ["helper"] }))
        .await
        .expect(200);
    helper
        .patch("/api/users/4", json!({ "name": "Peer" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_set_of_roles_is_neither_empty_nor_endless() {
    let t = TestApp::start().await;
    let many: Vec<_> = (0..17).map(|index| format!("role{index}")).collect();
    for (roles, fault) in [
        (json!([]), "/roles role-count"),
        (json!(many), "/roles role-count"),
        (json!("admin"), "/roles type"),
        (json!(null), "/roles type"),
    ] {
        assert_eq!(
            t.admin()
                .put("/api/users/4/roles", json!({ "roles": roles }))
                .await
                .faults(),
            [fault]
        );
    }
}

#[tokio::test]
async fn a_role_that_is_held_or_built_in_keeps_its_name() {
    let t = TestApp::start().await;
    for statement in [
        "delete from roles where name = 'auditor'",
        "update roles set name = 'root' where name = 'admin'",
        "delete from roles where name = 'helper'",
        "update roles set name = 'other' where name = 'helper'",
    ] {
        let refused = t.refused(statement).await;
        assert!(
            refused.starts_with("23503: role \""),
            "{statement}: {refused}"
        );
    }
    t.execute("update users set roles = '{user}' where roles @> '{helper}'")
        .await;
    t.execute("update roles set name = 'other' where name = 'helper'; delete from roles where name = 'other'").await;
}
