//! The own password, changed by who knows it: asked for it, told of it, and signed out everywhere else.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, Caller, PASSWORD, TestApp};

use crate::accounts::newest_token;

const OTHER: &str = "quite another password";
const MEMBER: &str = "member@example.com";
const PATH: &str = "/api/auth/password";

async fn change(caller: &Caller, current: &str, new: &str) -> Answer {
    let form = json!({ "currentPassword": current, "newPassword": new });
    caller.post(PATH, form).await
}

async fn actions(t: &TestApp) -> Vec<Value> {
    let entries = t.audit().await.into_iter();
    entries.map(|entry| entry["action"].clone()).collect()
}

#[tokio::test]
async fn a_change_ends_every_session_but_its_own_and_tells_the_owner() {
    let t = TestApp::start().await;
    let own = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    let other = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    let here = t
        .anonymous()
        .with_token(own["accessToken"].as_str().unwrap());
    change(&here, PASSWORD, OTHER).await.expect(204);
    here.get("/api/me").await.expect(200);
    t.member().get("/api/me").await.problem(401);
    let refresh = async |session: &Value| {
        let form = json!({ "refreshToken": session["refreshToken"] });
        t.anonymous().post("/api/auth/refresh", form).await
    };
    assert_eq!(refresh(&other).await.problem(401), "invalid-refresh-token");
    refresh(&own).await.expect(200);
    t.anonymous().sign_in(MEMBER, PASSWORD).await.problem(401);
    t.anonymous().sign_in(MEMBER, OTHER).await.expect(200);
    t.admin().get("/api/me").await.expect(200);
    let reasons = "select string_agg(distinct end_reason, ',') from sessions where user_id = 4";
    assert_eq!(t.sql(reasons, &[]).await, "password-changed");
    let mails = t.mails().await;
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, MEMBER));
    assert!(mails[0].text.contains("Every other device was signed out"));
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing_and_is_written_down() {
    let t = TestApp::start().await;
    for wrong in ["not the password of mine", "", OTHER] {
        let refused = change(&t.member(), wrong, "a third password of mine").await;
        assert_eq!(refused.problem(403), "wrong-password", "{wrong}");
    }
    t.execute("update users set password = null where id = 2")
        .await;
    let without = t.caller(usher_tests::Person::Auditor);
    let refused = change(&without, PASSWORD, OTHER).await;
    assert_eq!(refused.problem(403), "wrong-password");
    assert_eq!(actions(&t).await, ["PASSWORD_REFUSED"; 4]);
    let changed = "select count(*) from users where password_changed_at is not null";
    assert_eq!((t.count(changed).await, t.mails().await.len()), (0, 0));
    t.member().get("/api/me").await.expect(200);
    t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_new_password_keeps_to_the_policy_and_is_another_one() {
    let t = TestApp::start().await;
    for (new, code) in [
        ("short", "too-short"),
        ("PasswordPassword", "too-common"),
        ("member.example.com.1", "too-personal"),
        (PASSWORD, "unchanged"),
    ] {
        let refused = change(&t.member(), PASSWORD, new).await;
        assert_eq!(refused.problem(400), "validation-failed", "{new}");
        let fault = &refused.expect(400)["errors"][0];
        assert_eq!(
            (&fault["pointer"], &fault["code"]),
            (&json!("/newPassword"), &json!(code))
        );
    }
    for body in ["", "{}", "null", r#"{"currentPassword":null}"#] {
        let refused = t.member().json(&Method::POST, PATH, body).await;
        assert_eq!(refused.status(), 400, "{body}");
    }
    let anonymous = change(&t.anonymous(), PASSWORD, OTHER).await;
    assert_eq!(anonymous.problem(401), "unauthenticated");
    assert!(t.audit().await.is_empty());
}

#[tokio::test]
async fn a_link_to_choose_another_password_is_void_after_a_change() {
    let t = TestApp::start().await;
    let form = json!({ "email": MEMBER });
    let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
    forgot.expect(202);
    let token = newest_token(&t).await;
    change(&t.member(), PASSWORD, OTHER).await.expect(204);
    let form = json!({ "token": token, "password": "a third password of mine" });
    let late = t.anonymous().post("/api/auth/password/reset", form).await;
    assert_eq!(late.problem(400), "invalid-secret");
    t.anonymous().sign_in(MEMBER, OTHER).await.expect(200);
}

#[tokio::test]
async fn a_change_that_is_sent_again_is_done_once() {
    let t = TestApp::start().await;
    let member = t.member().with_header("idempotency-key", "k");
    for _ in 0..2 {
        change(&member, PASSWORD, OTHER).await.expect(204);
    }
    assert_eq!(actions(&t).await, ["PASSWORD_CHANGE"]);
    assert_eq!(t.mails().await.len(), 1);
    let other = change(&t.member(), PASSWORD, OTHER).await;
    assert_eq!(other.problem(403), "wrong-password");
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_made() {
    let t = TestApp::start().await;
    let member = t.member();
    let (first, second) = tokio::join!(
        change(&member, PASSWORD, OTHER),
        change(&member, PASSWORD, "a third password of mine"),
    );
    let mut statuses = [first.status(), second.status()];
    statuses.sort_unstable();
    // The later one finds another password, before it is hashed or after.
    assert!(matches!(statuses, [204, 403 | 409]), "{statuses:?}");
    let made = actions(&t).await;
    let made = made.iter().filter(|action| *action == "PASSWORD_CHANGE");
    assert_eq!(made.count(), 1);
}
