//! Changes that come again because their answer was lost: they neither fail nor undo what others did meanwhile.

use serde_json::json;
use usher_tests::{Answer, Caller, Person, TestApp};

fn keyed(caller: Caller, key: &str) -> Caller {
    caller.with_header("idempotency-key", key)
}

/// What two answers must have in common, whatever request they are to.
fn shown(answer: &Answer) -> (u16, String, String) {
    let (text, tag) = (answer.text(), answer.header("etag"));
    (answer.status(), text.to_owned(), tag.to_owned())
}

async fn entries(t: &TestApp) -> Vec<String> {
    let action = |entry: &serde_json::Value| entry["action"].as_str().unwrap().to_owned();
    t.audit().await.iter().map(action).collect()
}

#[tokio::test]
async fn a_change_that_comes_again_does_not_undo_what_others_did_meanwhile() {
    let t = TestApp::start().await;
    let change = json!({ "name": "Ada" });
    let roles = json!({ "roles": ["user", "auditor"] });
    let admin = keyed(t.admin(), "roles");
    let versioned = keyed(t.admin(), "k").with_header("if-match", "\"1\"");
    let renamed = versioned.patch("/api/users/4", change.clone()).await;
    renamed.expect(200);
    let granted = admin.put("/api/users/4/roles", roles.clone()).await;
    granted.expect(200);
    let other = json!({ "name": "Bob" });
    t.admin().patch("/api/users/4", other).await.expect(200);
    t.admin()
        .put("/api/users/4/roles", json!({ "roles": ["user"] }))
        .await
        .expect(200);
    let again = versioned.patch("/api/users/4", change.clone()).await;
    assert_eq!(shown(&again), shown(&renamed));
    let again = admin.put("/api/users/4/roles", roles).await;
    assert_eq!(shown(&again), shown(&granted));
    let user = t.admin().get("/api/users/4").await.expect(200);
    assert_eq!(
        (&user["name"], &user["version"]),
        (&json!("Bob"), &json!(5))
    );
    let expected = ["UPDATE", "ROLES_CHANGE", "UPDATE", "ROLES_CHANGE"];
    assert_eq!(entries(&t).await, expected);
    // Without the key it is another request.
    t.admin().patch("/api/users/4", change).await.expect(200);
    let user = t.admin().get("/api/users/4").await.expect(200);
    assert_eq!(user["name"], "Ada");
}

#[tokio::test]
async fn who_removes_a_user_again_has_removed_the_user() {
    let t = TestApp::start().await;
    let admin = keyed(t.admin(), "k");
    for _ in 0..2 {
        admin.delete("/api/users/4").await.expect(204);
    }
    assert_eq!(entries(&t).await, ["DELETE"]);
    for caller in [t.admin(), keyed(t.admin(), "other")] {
        assert_eq!(
            caller.delete("/api/users/4").await.problem(404),
            "user-not-found"
        );
    }
    let change = keyed(t.admin(), "other")
        .patch("/api/users/4", json!({ "name": "Ada" }))
        .await;
    assert_eq!(change.problem(404), "user-not-found");
    // Nobody else learns of it.
    let auditor = keyed(t.caller(Person::Auditor), "k");
    assert_eq!(
        auditor.delete("/api/users/4").await.problem(403),
        "forbidden"
    );
}

#[tokio::test]
async fn a_change_of_the_own_account_that_comes_again_is_answered_alike() {
    let t = TestApp::start().await;
    let member = keyed(t.member(), "k");
    let first = member.patch("/api/me", json!({ "name": "Ada" })).await;
    first.expect(200);
    t.member()
        .patch("/api/me", json!({ "name": "Bob" }))
        .await
        .expect(200);
    let again = member.patch("/api/me", json!({ "name": "Ada" })).await;
    assert_eq!(shown(&again), shown(&first));
    let refused = member.patch("/api/me", json!({ "name": "Carl" })).await;
    assert_eq!(refused.problem(422), "idempotency-key-reused");
    let unchanged = keyed(t.member(), "other")
        .patch("/api/me", json!({ "name": "Bob" }))
        .await;
    assert_eq!(unchanged.expect(200)["version"], 3);
}
