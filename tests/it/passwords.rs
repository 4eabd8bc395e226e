//! A password that was lost: asked for without telling who exists, set once, and everybody else signed out.

use serde_json::json;
use usher_tests::{Answer, PASSWORD, TestApp};

use crate::accounts::{NEW, bare, newest_token, register};

const OTHER: &str = "quite another password";
const MEMBER: &str = "member@example.com";

async fn ask(t: &TestApp, email: &str) -> Answer {
    let form = json!({ "email": email });
    t.anonymous().post("/api/auth/password/forgot", form).await
}

async fn reset(t: &TestApp, token: &str, password: &str) -> Answer {
    let form = json!({ "token": token, "password": password });
    t.anonymous().post("/api/auth/password/reset", form).await
}

#[tokio::test]
async fn another_password_is_set_once_and_ends_all_sessions() {
    let t = TestApp::start().await;
    let session = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    ask(&t, MEMBER).await.expect(202);
    t.member().get("/api/me").await.expect(200);
    let token = newest_token(&t).await;
    reset(&t, &token, OTHER).await.expect(204);
    t.member().get("/api/me").await.problem(401);
    let refresh = json!({ "refreshToken": session["refreshToken"] });
    t.anonymous()
        .post("/api/auth/refresh", refresh)
        .await
        .problem(401);
    let reasons = "select string_agg(distinct end_reason, ',') from sessions where user_id = 4";
    assert_eq!(t.sql(reasons, &[]).await, "password-changed");
    t.anonymous().sign_in(MEMBER, PASSWORD).await.problem(401);
    t.anonymous().sign_in(MEMBER, OTHER).await.expect(200);
    t.admin().get("/api/me").await.expect(200);
    let again = reset(&t, &token, "a third password of mine").await;
    assert_eq!(again.problem(400), "invalid-secret");
    let mails = t.mails().await;
    let told: Vec<_> = mails
        .iter()
        .map(|mail| (mail.to.as_str(), mail.subject.as_str()))
        .collect();
    let expected = [
        (MEMBER, "Choose another password"),
        (MEMBER, "Your password was changed"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn who_has_no_account_is_answered_alike_and_gets_nothing() {
    let t = TestApp::start().await;
    let known = ask(&t, MEMBER).await;
    for email in ["nobody@example.com", "locked@example.com"] {
        assert_eq!(bare(&known), bare(&ask(&t, email).await), "{email}");
    }
    let rows = "select count(*) from one_time_secrets";
    assert_eq!(t.count(rows).await, 3);
    let entries = t.audit().await;
    assert!(
        entries
            .iter()
            .all(|entry| entry["action"] == "RESET_REQUEST")
            && entries.len() == 3
    );
    assert_eq!(t.mails().await.len(), 1);
}

#[tokio::test]
async fn a_reset_shows_that_the_mailbox_is_read() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    ask(&t, NEW).await.expect(202);
    let token = newest_token(&t).await;
    reset(&t, &token, OTHER).await.expect(204);
    t.anonymous().sign_in(NEW, OTHER).await.expect(200);
}

#[tokio::test]
async fn a_weak_password_leaves_the_secret_as_it_is() {
    let t = TestApp::start().await;
    ask(&t, MEMBER).await.expect(202);
    let token = newest_token(&t).await;
    assert_eq!(
        reset(&t, &token, "short").await.problem(400),
        "validation-failed"
    );
    reset(&t, &token, OTHER).await.expect(204);
}

#[tokio::test]
async fn a_password_of_the_own_address_is_refused_and_the_secret_stays() {
    let t = TestApp::start().await;
    ask(&t, MEMBER).await.expect(202);
    let token = newest_token(&t).await;
    let personal = reset(&t, &token, "member.example.com.1").await;
    assert_eq!(personal.problem(400), "validation-failed");
    reset(&t, &token, OTHER).await.expect(204);
    let form = json!({ "name": "Ada Lovelace", "email": NEW, "password": "adalovelace-example" });
    let personal = t.anonymous().post("/api/auth/register", form).await;
    assert_eq!(personal.problem(400), "validation-failed");
}

#[tokio::test]
async fn a_reset_that_is_sent_again_is_done_once() {
    let t = TestApp::start().await;
    ask(&t, MEMBER).await.expect(202);
    let anonymous = t.anonymous().with_header("idempotency-key", "k");
    let form = json!({ "token": newest_token(&t).await, "password": OTHER });
    for _ in 0..2 {
        let answer = anonymous
            .post("/api/auth/password/reset", form.clone())
            .await;
        answer.expect(204);
    }
    assert_eq!(
        t.mails().await.len(),
        2,
        "one with the link, and one that it was changed"
    );
}

#[tokio::test]
async fn who_was_deactivated_or_moved_meanwhile_resets_nothing() {
    let t = TestApp::start().await;
    for change in [
        json!({ "isActive": false }),
        json!({ "isActive": true, "email": "other@example.com" }),
    ] {
        t.execute("update users set is_active = true where id = 4")
            .await;
        ask(&t, MEMBER).await.expect(202);
        let token = newest_token(&t).await;
        t.admin()
            .patch("/api/users/4", change.clone())
            .await
            .expect(200);
        let late = reset(&t, &token, OTHER).await;
        assert_eq!(late.problem(400), "invalid-secret", "{change}");
    }
    let changed = "select count(*) from users where password_changed_at is not null";
    assert_eq!(t.count(changed).await, 0);
}
