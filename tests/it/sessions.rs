//! Where somebody is signed in, and ending that from elsewhere.

use serde_json::{Value, json};
use usher_tests::{Caller, PASSWORD, Person, TestApp};

const OWN: &str = "/api/me/sessions";

/// Signs the member in once more, and returns who that is with the id and the refresh token of the session.
async fn elsewhere(t: &TestApp) -> (Caller, String, Value) {
    let session = t
        .anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    let caller = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    let me = caller.get("/api/me").await.expect(200);
    let id = me["sessionId"].as_str().unwrap().to_owned();
    (caller, id, session["refreshToken"].clone())
}

async fn ids(caller: &Caller, path: &str) -> Vec<String> {
    let list = caller.get(path).await.expect(200);
    let ids = list["data"].as_array().unwrap().iter();
    ids.map(|session| session["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn one_sees_where_one_is_signed_in() {
    let t = TestApp::start().await;
    let (_, id, _) = elsewhere(&t).await;
    let list = t.member().get(OWN).await.expect(200);
    assert_eq!(
        list["page"],
        json!({ "nextCursor": null, "hasMore": false })
    );
    let sessions = list["data"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let [other, own] = [&sessions[0], &sessions[1]];
    assert_eq!(
        (&other["id"], &other["isCurrent"], &other["ip"]),
        (&json!(id), &json!(false), &json!("203.0.113.7"))
    );
    assert_eq!(other["userAgent"], "test/1");
    assert_eq!(
        (&own["id"], &own["isCurrent"]),
        (&json!(Person::Member.session()), &json!(true))
    );
    for name in ["createdAt", "lastSeenAt", "expiresAt"] {
        assert!(own[name].as_str().unwrap().ends_with('Z'), "{own}");
    }
    // It tells what would happen by itself: two weeks without a refresh, or thirty days.
    let days = t.count(
        "select round(extract(epoch from (refreshed_at - now())) / 86400)::bigint + 14 from sessions where user_id = 4 limit 1",
    );
    assert_eq!(days.await, 14);
}

#[tokio::test]
async fn what_is_over_is_not_listed() {
    let t = TestApp::start().await;
    let (_, id, _) = elsewhere(&t).await;
    for (over, back) in [
        (
            "ended_at = now(), end_reason = 'logout'",
            "ended_at = null, end_reason = null",
        ),
        (
            "expires_at = now()",
            "expires_at = now() + interval '1 day'",
        ),
        (
            "refreshed_at = now() - interval '14 days'",
            "refreshed_at = now()",
        ),
    ] {
        t.execute(&format!("update sessions set {over} where id = '{id}'"))
            .await;
        assert_eq!(
            ids(&t.member(), OWN).await,
            [Person::Member.session().to_string()],
            "{over}"
        );
        t.execute(&format!("update sessions set {back} where id = '{id}'"))
            .await;
        assert_eq!(ids(&t.member(), OWN).await.len(), 2, "{back}");
    }
}

#[tokio::test]
async fn a_session_that_is_ended_from_elsewhere_is_over_at_once() {
    let t = TestApp::start().await;
    let (caller, id, refresh) = elsewhere(&t).await;
    t.member().delete(&format!("{OWN}/{id}")).await.expect(204);
    assert_eq!(caller.get("/api/me").await.problem(401), "unauthenticated");
    let again = json!({ "refreshToken": refresh });
    let again = t.anonymous().post("/api/auth/refresh", again).await;
    assert_eq!(again.problem(401), "invalid-refresh-token");
    let entries = t.audit().await;
    let entry = entries.last().unwrap();
    assert_eq!(
        (&entry["action"], &entry["payload"], &entry["session_id"]),
        (
            &json!("LOGOUT"),
            &json!({ "sessionId": id }),
            &json!(Person::Member.session())
        )
    );
    let revoked = t.count("select count(*) from sessions where end_reason = 'revoked'");
    assert_eq!(revoked.await, 1);
    let gone = t.member().delete(&format!("{OWN}/{id}")).await;
    assert_eq!(gone.problem(404), "session-not-found");
}

#[tokio::test]
async fn nobody_ends_or_finds_the_session_of_somebody_else() {
    let t = TestApp::start().await;
    let before = t
        .count("select count(*) from sessions where ended_at is null")
        .await;
    for id in [
        Person::Admin.session().to_string(),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        "1".to_owned(),
        "%00".to_owned(),
        "[session_id]".to_owned(),
        "x".repeat(5000),
    ] {
        let answer = t.member().delete(&format!("{OWN}/{id}")).await;
        assert_eq!(answer.problem(404), "session-not-found", "{id}");
        let answer = t.anonymous().delete(&format!("{OWN}/{id}")).await;
        assert_eq!(answer.problem(401), "unauthenticated", "{id}");
    }
    let after = t
        .count("select count(*) from sessions where ended_at is null")
        .await;
    assert_eq!(after, before);
    assert!(t.audit().await.is_empty());
}

#[tokio::test]
async fn all_other_sessions_end_together() {
    let t = TestApp::start().await;
    let (first, ..) = elsewhere(&t).await;
    let (second, id, _) = elsewhere(&t).await;
    second.delete(OWN).await.expect(204);
    assert_eq!(first.get("/api/me").await.status(), 401);
    assert_eq!(t.member().get("/api/me").await.status(), 401);
    assert_eq!(ids(&second, OWN).await, [id]);
    let others =
        t.count("select count(*) from sessions where user_id <> 4 and ended_at is not null");
    assert_eq!(others.await, 0);
}

#[tokio::test]
async fn an_administrator_sees_and_ends_the_sessions_of_a_user() {
    let t = TestApp::start().await;
    let (caller, id, _) = elsewhere(&t).await;
    let path = "/api/users/4/sessions";
    let seen = ids(&t.caller(Person::Auditor), path).await;
    assert_eq!(seen, [id, Person::Member.session().to_string()]);
    t.admin().delete(path).await.expect(204);
    assert_eq!(caller.get("/api/me").await.status(), 401);
    assert_eq!(t.member().get("/api/me").await.status(), 401);
    assert!(ids(&t.admin(), path).await.is_empty());
    // A helper cannot sign an admin out, and nobody has the sessions of nobody.
    let answer = t
        .caller(Person::Helper)
        .delete("/api/users/1/sessions")
        .await;
    assert_eq!(answer.problem(403), "role-escalation");
    for path in ["/api/users/99/sessions", "/api/users/x/sessions"] {
        assert_eq!(t.admin().get(path).await.problem(404), "user-not-found");
        assert_eq!(t.admin().delete(path).await.problem(404), "user-not-found");
    }
}

#[tokio::test]
async fn ending_sessions_again_with_the_same_key_ends_no_newer_one() {
    let t = TestApp::start().await;
    let keyed = t.member().with_header("idempotency-key", "k");
    keyed.delete(OWN).await.expect(204);
    let (caller, ..) = elsewhere(&t).await;
    keyed.delete(OWN).await.expect(204);
    assert_eq!(caller.get("/api/me").await.status(), 200);
}
