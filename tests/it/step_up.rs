//! Proving again, within a session, who one is.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use time::Duration;
use usher_tests::{PASSWORD, Person, TestApp};

use crate::{
    challenges::{half, meet},
    enrolled::enrol,
};

const PATH: &str = "/api/auth/reauthenticate";

/// Returns what an access token says.
pub(crate) fn claims(session: &Value) -> Value {
    let token = session["accessToken"].as_str().unwrap();
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Lets a day pass since everybody signed in.
pub(crate) async fn age(t: &TestApp) {
    let day = "update sessions set created_at = now() - interval '1 day', authenticated_at = null";
    t.execute(day).await;
}

#[tokio::test]
async fn a_proof_is_noted_with_the_session_and_told_by_its_next_token() {
    let t = TestApp::start().await;
    age(&t).await;
    let form = json!({ "password": PASSWORD });
    let proof = t.member().post(PATH, form).await.expect(200);
    assert_eq!(proof["tokenType"], "Bearer");
    assert_eq!(proof["expiresIn"], 300);
    let other = t
        .anonymous()
        .with_token(proof["accessToken"].as_str().unwrap());
    let me = other.get("/api/me").await.expect(200);
    assert_eq!(me["sessionId"], Person::Member.session().to_string());
    let claims = claims(&proof);
    assert_eq!(claims["amr"], json!(["pwd"]));
    assert_eq!(claims["auth_time"], claims["iat"]);
    let fresh =
        "select count(*) from sessions where authenticated_at > now() - interval '1 minute'";
    assert_eq!(t.count(fresh).await, 1, "of one session alone");
    let entries = t.audit().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["action"], "REAUTHENTICATE");
}

#[tokio::test]
async fn a_wrong_password_proves_nothing_and_is_written_down() {
    let t = TestApp::start().await;
    age(&t).await;
    for wrong in ["not the password of mine", ""] {
        let refused = t.member().post(PATH, json!({ "password": wrong })).await;
        assert_eq!(refused.problem(403), "wrong-password");
    }
    let proved = "select count(*) from sessions where authenticated_at is not null";
    assert_eq!(t.count(proved).await, 0);
    let entries = t.audit().await;
    let actions: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["PASSWORD_REFUSED"; 2]);
}

#[tokio::test]
async fn nothing_is_proved_without_a_session_that_is_alive() {
    let t = TestApp::start().await;
    age(&t).await;
    let form = json!({ "password": PASSWORD });
    for caller in [
        t.anonymous(),
        t.caller(Person::Locked),
        t.caller_since(Person::Member, Duration::hours(1)),
    ] {
        let refused = caller.post(PATH, form.clone()).await;
        assert_eq!(refused.problem(401), "unauthenticated");
    }
    let (member, end) = (
        t.member(),
        "update sessions set ended_at = now(), end_reason = 'logout'",
    );
    let late = member.send_late(&Method::POST, PATH, form, t.execute(end));
    assert_eq!(late.await.problem(401), "unauthenticated");
    let proved = "select count(*) from sessions where authenticated_at is not null";
    assert_eq!(t.count(proved).await, 0);
}

#[tokio::test]
async fn a_proof_that_is_sent_again_is_noted_once() {
    let t = TestApp::start().await;
    let member = t.member().with_header("idempotency-key", "k");
    for _ in 0..2 {
        member
            .post(PATH, json!({ "password": PASSWORD }))
            .await
            .expect(200);
    }
    assert_eq!(t.audit().await.len(), 1);
}

/// What one session proved says nothing of another one, although the request is the same and has the same key.
#[tokio::test]
async fn attack_by_sending_the_proof_of_one_session_in_another() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    let mut sessions = Vec::new();
    for code in &enrolled.codes[..2] {
        let challenge = half(&t, Person::Member).await;
        let session = meet(&t, &challenge, code).await.expect(200);
        let token = session["accessToken"].as_str().unwrap();
        let caller = t.anonymous().with_token(token);
        sessions.push(caller.with_header("idempotency-key", "the-key-of-a-proof"));
    }
    let form = json!({ "password": PASSWORD, "code": enrolled.codes[2] });
    let proved = sessions[0].post(PATH, form.clone()).await.expect(200);
    let again = sessions[0].post(PATH, form.clone()).await.expect(200);
    assert_eq!(claims(&proved)["auth_time"], claims(&again)["auth_time"]);
    let elsewhere = sessions[1].post(PATH, form).await;
    assert_eq!(elsewhere.problem(401), "invalid-code");
}
