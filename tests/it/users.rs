//! Users: created, shown, changed, removed.

use serde_json::json;
use usher_tests::{Person, TestApp};

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn an_admin_creates_a_user() {
    let t = TestApp::start().await;
    let new = json!({
        "name": " Ada Lovelace ", "email": " ADA@Example.com", "password": "a long enough password",
        "roles": ["user", "auditor"], "avatarUrl": "https://example.com/ada.png",
    });
    let answer = t.admin().post("/api/users", new).await;
    let user = answer.expect(201);
    let id = user["id"].as_i64().unwrap();
    assert_eq!(answer.header("location"), format!("/api/users/{id}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(
        user,
        json!({
            "id": id, "name": "Ada Lovelace", "email": ADA, "roles": ["auditor", "user"], "isActive": true,
            "avatarUrl": "https://example.com/ada.png", "version": 1,
            "createdAt": user["createdAt"], "updatedAt": user["createdAt"],
        })
    );
    assert_eq!(
        t.admin().get(&format!("/api/users/{id}")).await.expect(200),
        user
    );
    t.anonymous()
        .sign_in(ADA, "a long enough password")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_new_user_has_the_role_user_and_is_active() {
    let t = TestApp::start().await;
    let user = t
        .admin()
        .post(
            "/api/users",
            json!({ "name": "Ada", "email": ADA, "avatarUrl": null }),
        )
        .await
        .expect(201);
    assert_eq!(user["roles"], json!(["user"]));
    assert_eq!(
        (&user["isActive"], &user["avatarUrl"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(
        t.anonymous()
            .sign_in(ADA, "whatever it may be")
            .await
            .problem(401),
        "invalid-credentials"
    );
}

#[tokio::test]
async fn an_address_belongs_to_one_user_in_any_case() {
    let t = TestApp::start().await;
    let answer = t
        .admin()
        .post(
            "/api/users",
            json!({ "name": "M", "email": "MEMBER@EXAMPLE.COM" }),
        )
        .await;
    assert_eq!(answer.problem(409), "email-taken");
    assert_eq!(answer.body()["errors"][0]["pointer"], "/email");
    let answer = t
        .admin()
        .patch("/api/users/4", json!({ "email": "admin@example.com" }))
        .await;
    assert_eq!(answer.problem(409), "email-taken");
}

#[tokio::test]
async fn every_bad_value_is_named_at_once() {
    let t = TestApp::start().await;
    let answer = t.admin().post("/api/users", json!({
        "name": "", "email": "nonsense", "password": "short", "roles": ["user", "Bad Role", 7], "isActive": "yes",
        "avatarUrl": "javascript:alert(1)", "id": 1, "version": 9, "createdAt": "now", "~/x": 1,
    })).await;
    assert_eq!(
        answer.faults(),
        [
            "/avatarUrl url",
            "/createdAt unknown",
            "/email email",
            "/id unknown",
            "/isActive type",
            "/name blank",
            "/password too-short",
            "/roles/1 role-name",
            "/roles/2 type",
            "/version unknown",
            "/~0~1x unknown",
        ]
    );
    assert_eq!(
        t.admin().post("/api/users", json!({})).await.faults(),
        ["/email required", "/name required"]
    );
    assert!(t.audit().await.is_empty());
}

#[tokio::test]
async fn a_password_that_is_tried_first_is_refused() {
    let t = TestApp::start().await;
    for (password, fault) in [
        ("Password1234567890password", None),
        ("PASSWORDpassword", Some("/password too-common")),
        ("Ada Lovelace 1815", Some("/password too-personal")),
        ("lovelace@example.org", Some("/password too-personal")),
        ("Ada sees 7 birds", None),
    ] {
        let new = json!({ "name": "Ada Lovelace", "email": "lovelace@example.org", "password": password });
        let answer = t.admin().post("/api/users", new).await;
        if let Some(fault) = fault {
            assert_eq!(answer.faults(), [fault], "{password}");
        } else {
            let path = format!("/api/users/{}", answer.expect(201)["id"]);
            t.admin().delete(&path).await.expect(204);
        }
    }
}

#[tokio::test]
async fn an_unknown_role_is_refused_by_the_database() {
    let t = TestApp::start().await;
    let answer = t
        .admin()
        .post(
            "/api/users",
            json!({ "name": "A", "email": ADA, "roles": ["wizard"] }),
        )
        .await;
    assert_eq!(answer.faults(), ["/roles unknown-role"]);
    let answer = t
        .admin()
        .put("/api/users/4/roles", json!({ "roles": ["wizard"] }))
        .await;
    assert_eq!(answer.faults(), ["/roles unknown-role"]);
}

#[tokio::test]
async fn a_change_is_a_merge_patch() {
    let t = TestApp::start().await;
    let admin = t.admin();
    let url = "https://example.com/m.png";
    let answer = admin
        .patch("/api/users/4", json!({ "name": "Mem", "avatarUrl": url }))
        .await;
    let user = answer.expect(200);
    assert_eq!(
        (&user["name"], &user["avatarUrl"], &user["version"]),
        (&json!("Mem"), &json!(url), &json!(2))
    );
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_ne!(user["updatedAt"], user["createdAt"]);
    let user = admin
        .patch("/api/users/4", json!({ "avatarUrl": null }))
        .await
        .expect(200);
    assert_eq!(
        (&user["name"], &user["avatarUrl"]),
        (&json!("Mem"), &json!(null))
    );
    assert_eq!(
        admin
            .patch("/api/users/4", json!({ "name": null }))
            .await
            .faults(),
        ["/name type"]
    );
    assert_eq!(
        admin
            .patch("/api/users/4", json!({ "roles": ["admin"] }))
            .await
            .faults(),
        ["/roles unknown"]
    );
    assert_eq!(
        admin
            .patch("/api/users/4", json!({ "password": "x" }))
            .await
            .faults(),
        ["/password unknown"]
    );
}

#[tokio::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let t = TestApp::start().await;
    let answer = t
        .admin()
        .patch(
            "/api/users/4",
            json!({ "name": "member", "isActive": true }),
        )
        .await;
    assert_eq!(answer.expect(200)["version"], 1);
    assert_eq!(
        t.admin().patch("/api/users/4", json!({})).await.expect(200)["version"],
        1
    );
    assert!(t.audit().await.is_empty());
}

#[tokio::test]
async fn a_change_starts_from_the_version_it_names() {
    let t = TestApp::start().await;
    let patch = json!({ "name": "Mem" });
    for (tag, status) in [
        ("\"1\"", 200),
        ("\"1\"", 412),
        ("W/\"2\"", 412),
        ("\"7\", \"2\"", 200),
        ("*", 200),
        ("2", 400),
    ] {
        let admin = t.admin().with_header("if-match", tag);
        let patch = if status == 200 {
            json!({ "name": format!("Mem {tag}") })
        } else {
            patch.clone()
        };
        assert_eq!(
            admin.patch("/api/users/4", patch).await.status(),
            status,
            "{tag}"
        );
    }
    let stale = t.admin().with_header("if-match", "\"1\"");
    assert_eq!(
        stale.delete("/api/users/4").await.problem(412),
        "version-mismatch"
    );
    assert_eq!(
        stale
            .put("/api/users/4/roles", json!({ "roles": ["auditor"] }))
            .await
            .problem(412),
        "version-mismatch"
    );
}

#[tokio::test]
async fn a_removed_user_is_gone_and_the_address_is_free() {
    let t = TestApp::start().await;
    let member = t.member();
    member.get("/api/me").await.expect(200);
    assert_eq!(t.admin().delete("/api/users/4").await.status(), 204);
    assert_eq!(member.get("/api/me").await.problem(401), "unauthenticated");
    assert_eq!(
        t.admin().get("/api/users/4").await.problem(404),
        "user-not-found"
    );
    assert_eq!(
        t.admin().delete("/api/users/4").await.problem(404),
        "user-not-found"
    );
    assert_eq!(
        t.admin()
            .patch("/api/users/4", json!({ "name": "x" }))
            .await
            .problem(404),
        "user-not-found"
    );
    let email = Person::Member.email();
    assert_eq!(
        t.anonymous()
            .sign_in(&email, usher_tests::PASSWORD)
            .await
            .problem(401),
        "invalid-credentials"
    );
    let again = t
        .admin()
        .post("/api/users", json!({ "name": "M", "email": email }))
        .await
        .expect(201);
    assert_ne!(again["id"], 4);
    assert_eq!(
        t.count("select count(*) from sessions where user_id = 4 and end_reason = 'deleted'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_deactivated_user_is_refused_at_the_next_request_and_stays_signed_out() {
    let t = TestApp::start().await;
    let member = t.member();
    t.admin()
        .patch("/api/users/4", json!({ "isActive": false }))
        .await
        .expect(200);
    assert_eq!(member.get("/api/me").await.problem(401), "unauthenticated");
    t.admin()
        .patch("/api/users/4", json!({ "isActive": true }))
        .await
        .expect(200);
    assert_eq!(member.get("/api/me").await.problem(401), "unauthenticated");
    t.anonymous()
        .sign_in(&Person::Member.email(), usher_tests::PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn only_the_wanted_members_are_shown() {
    let t = TestApp::start().await;
    let user = t
        .admin()
        .get("/api/users/4?fields=id,isActive")
        .await
        .expect(200);
    assert_eq!(user, json!({ "id": 4, "isActive": true }));
    for fields in ["password", "is_active", "id,", ""] {
        assert_eq!(
            t.admin()
                .get(&format!("/api/users/4?fields={fields}"))
                .await
                .faults(),
            ["fields fields"]
        );
    }
}

#[tokio::test]
async fn a_version_is_named_in_quotes() {
    let t = TestApp::start().await;
    for tag in ["1", "\"1", "\"1\", 2", ""] {
        let admin = t.admin().with_header("if-match", tag);
        let faults = admin
            .patch("/api/users/4", json!({ "name": "x" }))
            .await
            .faults();
        assert_eq!(faults, ["If-Match entity-tag"], "{tag}");
    }
}
