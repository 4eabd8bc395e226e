//! The own account.

use serde_json::json;
use usher_tests::{Person, TestApp};

#[tokio::test]
async fn everybody_sees_and_changes_the_own_profile() {
    let t = TestApp::start().await;
    let member = t.member();
    let answer = member.get("/api/me").await;
    let me = answer.expect(200);
    assert_eq!(
        (&me["email"], &me["permissions"]),
        (&json!("member@example.com"), &json!([]))
    );
    assert_eq!(me["sessionId"], Person::Member.session().to_string());
    let changed = member
        .with_header("if-match", answer.header("etag"))
        .patch("/api/me", json!({ "name": "Mem" }))
        .await;
    assert_eq!(changed.expect(200)["name"], "Mem");
    let entry = &t.audit().await[0];
    assert_eq!(
        (&entry["actor_id"], &entry["entity_id"]),
        (&json!(4), &json!(4))
    );
}

#[tokio::test]
async fn nobody_changes_the_own_rights_or_address() {
    let t = TestApp::start().await;
    let answer = t.member().patch("/api/me", json!({
        "email": "x@example.com", "roles": ["admin"], "isActive": true, "id": 1, "permissions": [], "password": "x",
        "name": "Still validated",
    })).await;
    let expected = [
        "/email",
        "/id",
        "/isActive",
        "/password",
        "/permissions",
        "/roles",
    ];
    assert_eq!(
        answer.faults(),
        expected.map(|field| format!("{field} unknown"))
    );
}

#[tokio::test]
async fn an_admin_changes_the_own_name_like_everybody() {
    let t = TestApp::start().await;
    t.admin()
        .patch("/api/me", json!({ "name": "Root" }))
        .await
        .expect(200);
    assert_eq!(
        t.admin()
            .get("/api/me?fields=name,permissions")
            .await
            .expect(200)["name"],
        "Root"
    );
}
