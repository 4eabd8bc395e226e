//! Passwords of 8 to 14 characters: enough beside a second factor, and never without one.

use serde_json::json;
use usher_tests::{Caller, PASSWORD, Person, TestApp};

use crate::{
    accounts::newest_token,
    challenges::half,
    enrolled::{TOTP, enrol},
};

const SHORT: &str = "8 birds!";

async fn change(caller: &Caller, current: &str, new: &str) -> usher_tests::Answer {
    let form = json!({ "currentPassword": current, "newPassword": new });
    caller.post("/api/auth/password", form).await
}

async fn reset(t: &TestApp, new: &str) -> usher_tests::Answer {
    let form = json!({ "email": "member@example.com" });
    let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
    forgot.expect(202);
    let form = json!({ "token": newest_token(t).await, "password": new });
    t.anonymous().post("/api/auth/password/reset", form).await
}

#[tokio::test]
async fn a_short_password_is_enough_beside_a_second_factor_alone() {
    let t = TestApp::start().await;
    for refused in [
        change(&t.member(), PASSWORD, SHORT).await,
        reset(&t, SHORT).await,
    ] {
        assert_eq!(refused.problem(400), "validation-failed");
        assert_eq!(refused.expect(400)["errors"][0]["code"], "too-short");
    }
    enrol(&t, Person::Member).await;
    let refused = change(&t.member(), PASSWORD, "7 birds").await;
    assert_eq!(refused.expect(400)["errors"][0]["code"], "too-short");
    change(&t.member(), PASSWORD, SHORT).await.expect(204);
    let question = t.anonymous().sign_in("member@example.com", SHORT).await;
    assert_eq!(question.problem(403), "second-factor-required");
    reset(&t, "9 birds!!").await.expect(204);
}

#[tokio::test]
async fn the_last_second_factor_stays_while_the_password_is_short() {
    let t = TestApp::start().await;
    enrol(&t, Person::Member).await;
    let member = t.member();
    change(&member, PASSWORD, SHORT).await.expect(204);
    assert_eq!(member.delete(TOTP).await.problem(409), "short-password");
    half_with(&t, SHORT).await;
    change(&member, SHORT, PASSWORD).await.expect(204);
    member.delete(TOTP).await.expect(204);
    let refused = t
        .refused("update users set has_short_password = true where id = 4")
        .await;
    assert!(
        refused.contains("users_has_short_password_check"),
        "{refused}"
    );
}

async fn half_with(t: &TestApp, password: &str) {
    let question = t.anonymous().sign_in("member@example.com", password).await;
    assert_eq!(question.problem(403), "second-factor-required");
}

#[tokio::test]
async fn a_short_password_goes_with_the_factors_that_an_administrator_removes() {
    let t = TestApp::start().await;
    for (person, password) in [(Person::Member, SHORT), (Person::Auditor, PASSWORD)] {
        enrol(&t, person).await;
        if password == SHORT {
            change(&t.caller(person), PASSWORD, SHORT).await.expect(204);
        } else {
            half(&t, person).await;
        }
        let path = format!("/api/users/{}/factors", person.id());
        t.admin().delete(&path).await.expect(204);
        let answer = t.anonymous().sign_in(&person.email(), password).await;
        let status = if password == SHORT { 401 } else { 200 };
        assert_eq!(answer.status(), status, "{person:?}");
    }
    reset(&t, PASSWORD).await.expect(204);
    let session = t.anonymous().sign_in("member@example.com", PASSWORD).await;
    session.expect(200);
}
