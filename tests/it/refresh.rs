//! Refresh tokens: rotated, retried, stolen, guessed, run out.

use serde_json::{Value, json};
use usher_tests::{Answer, Caller, PASSWORD, TestApp};

async fn sign_in(t: &TestApp) -> Value {
    t.anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200)
}

async fn refresh(caller: &Caller, token: &Value) -> Answer {
    caller
        .post("/api/auth/refresh", json!({ "refreshToken": token }))
        .await
}

/// The answer to a refresh token that is good.
async fn renew(t: &TestApp, session: &Value) -> Value {
    refresh(&t.anonymous(), &session["refreshToken"])
        .await
        .expect(200)
}

async fn assert_spent(t: &TestApp, session: &Value) {
    let answer = refresh(&t.anonymous(), &session["refreshToken"]).await;
    assert_eq!(answer.problem(401), "invalid-refresh-token");
}

async fn assert_signed_out(t: &TestApp, session: &Value) {
    let access = session["accessToken"].as_str().unwrap();
    let answer = t.anonymous().with_token(access).get("/api/me").await;
    assert_eq!(answer.problem(401), "unauthenticated");
}

/// Lets time pass in the database for the session of the user.
async fn wait(t: &TestApp, interval: &str) {
    t.execute(&format!(
        "update sessions set
          created_at = created_at - interval '{interval}',
          refreshed_at = refreshed_at - interval '{interval}',
          expires_at = expires_at - interval '{interval}'
        where ended_at is null"
    ))
    .await;
}

async fn actions(t: &TestApp) -> Vec<String> {
    t.audit()
        .await
        .iter()
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_token_buys_the_next_one() {
    let t = TestApp::start().await;
    let mut session = sign_in(&t).await;
    let first = session["refreshToken"].clone();
    assert!(first.as_str().unwrap().starts_with("usher_rt_"));
    for _ in 0..3 {
        let next = renew(&t, &session).await;
        assert_ne!(next["refreshToken"], session["refreshToken"]);
        let access = next["accessToken"].as_str().unwrap();
        t.anonymous()
            .with_token(access)
            .get("/api/me")
            .await
            .expect(200);
        session = next;
    }
    assert_eq!(
        actions(&t).await,
        ["LOGIN", "REFRESH", "REFRESH", "REFRESH"]
    );
    let entry = &t.audit().await[1];
    assert_eq!(
        (&entry["actor_id"], &entry["entity_id"]),
        (&json!(4), &json!(4))
    );
    let stored = t
        .sql(
            "select jsonb_agg(encode(refresh_hash, 'base64')) from sessions",
            &[],
        )
        .await
        .to_string();
    assert!(
        !stored.contains(&first.as_str().unwrap()[9..20]),
        "only hashes are stored"
    );
}

#[tokio::test]
async fn a_lost_answer_is_given_again() {
    let t = TestApp::start().await;
    let session = sign_in(&t).await;
    let once = renew(&t, &session).await;
    let again = renew(&t, &session).await;
    assert_eq!(once["refreshToken"], again["refreshToken"]);
    assert_eq!(actions(&t).await, ["LOGIN", "REFRESH"]);
    renew(&t, &again).await;
}

#[tokio::test]
async fn a_replaced_token_ends_the_session_after_ten_seconds() {
    let t = TestApp::start().await;
    let session = sign_in(&t).await;
    let next = renew(&t, &session).await;
    wait(&t, "11 seconds").await;
    assert_spent(&t, &session).await;
    assert_spent(&t, &next).await;
    assert_signed_out(&t, &next).await;
    assert_eq!(actions(&t).await, ["LOGIN", "REFRESH", "REFRESH_REUSE"]);
    assert_eq!(
        t.count("select count(*) from sessions where end_reason = 'theft'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_token_two_steps_behind_ends_the_session_at_once() {
    let t = TestApp::start().await;
    let session = sign_in(&t).await;
    let second = renew(&t, &session).await;
    let third = renew(&t, &second).await;
    assert_spent(&t, &session).await;
    assert_spent(&t, &third).await;
    assert_eq!(actions(&t).await.last().unwrap(), "REFRESH_REUSE");
}

#[tokio::test]
async fn a_guess_ends_nobodys_session() {
    let t = TestApp::start().await;
    let session = sign_in(&t).await;
    let token = session["refreshToken"].as_str().unwrap();
    // The session and the counter are right, the secret is not.
    let guess = format!("{}AAAAAAAAAA", &token[..token.len() - 10]);
    for text in [
        guess.as_str(),
        &token[..token.len() - 1],
        "usher_rt_",
        "x",
        "",
    ] {
        assert_eq!(
            refresh(&t.anonymous(), &json!(text)).await.problem(401),
            "invalid-refresh-token"
        );
    }
    assert_eq!(actions(&t).await, ["LOGIN"]);
    renew(&t, &session).await;
}

#[tokio::test]
async fn a_session_ends_after_14_idle_days_and_30_days_in_all() {
    let t = TestApp::start().await;
    let session = sign_in(&t).await;
    wait(&t, "13 days").await;
    let session = renew(&t, &session).await;
    wait(&t, "13 days").await;
    let session = renew(&t, &session).await;
    wait(&t, "5 days").await;
    assert_spent(&t, &session).await;
    assert_signed_out(&t, &session).await;
    let idle = sign_in(&t).await;
    wait(&t, "15 days").await;
    assert_spent(&t, &idle).await;
}

#[tokio::test]
async fn a_deactivated_user_gets_no_new_tokens() {
    let t = TestApp::start().await;
    let session = sign_in(&t).await;
    t.admin()
        .patch("/api/users/4", json!({ "isActive": false }))
        .await
        .expect(200);
    assert_spent(&t, &session).await;
}

#[tokio::test]
async fn each_kind_of_token_is_good_for_its_own_purpose_alone() {
    let t = TestApp::start().await;
    let session = sign_in(&t).await;
    assert_eq!(
        refresh(&t.anonymous(), &session["accessToken"])
            .await
            .problem(401),
        "invalid-refresh-token"
    );
    let refresh_token = session["refreshToken"].as_str().unwrap();
    assert_eq!(
        t.anonymous()
            .with_token(refresh_token)
            .get("/api/me")
            .await
            .problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn another_address_ends_every_session() {
    let t = TestApp::start().await;
    let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    let id = t.admin().post("/api/users", new).await.expect(201)["id"].clone();
    let session = t
        .anonymous()
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    let ada = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    let path = format!("/api/users/{id}");
    t.admin()
        .patch(&path, json!({ "name": "Ada King" }))
        .await
        .expect(200);
    ada.get("/api/me").await.expect(200);
    t.admin()
        .patch(&path, json!({ "email": "king@example.com" }))
        .await
        .expect(200);
    assert_eq!(ada.get("/api/me").await.problem(401), "unauthenticated");
    let refresh = json!({ "refreshToken": session["refreshToken"] });
    let refused = t.anonymous().post("/api/auth/refresh", refresh).await;
    assert_eq!(refused.problem(401), "invalid-refresh-token");
    let reason = "select end_reason from sessions where user_id = (select max(id) from users)";
    assert_eq!(t.sql(reason, &[]).await, "email-changed");
    t.anonymous()
        .sign_in("king@example.com", PASSWORD)
        .await
        .expect(200);
}
