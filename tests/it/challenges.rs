//! Signing in in two steps, and proving both again within a session.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_token, register, verify},
    enrolled::{CODES, Enrolled, TOTP, enrol, wrong_code},
    step_up::{age, claims},
};

pub(crate) const PATH: &str = "/api/auth/challenge";
const PROVE: &str = "/api/auth/reauthenticate";

pub(crate) async fn sign_in(t: &TestApp, person: Person) -> Answer {
    t.anonymous().sign_in(&person.email(), PASSWORD).await
}

/// Takes the first step, and returns the token for the second one.
pub(crate) async fn half(t: &TestApp, person: Person) -> String {
    let question = sign_in(t, person).await;
    assert_eq!(question.problem(403), "second-factor-required");
    let token = question.expect(403)["challengeToken"].clone();
    token.as_str().unwrap().to_owned()
}

/// Takes the second step.
pub(crate) async fn meet(t: &TestApp, challenge: &str, code: &str) -> Answer {
    let form = json!({ "challengeToken": challenge, "code": code });
    t.anonymous().post(PATH, form).await
}

pub(crate) async fn enrolled() -> (TestApp, Enrolled) {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    (t, enrolled)
}

async fn failures(t: &TestApp) -> Value {
    let reasons = "select jsonb_agg(payload ->> 'reason' order by id) from audit_logs where action = 'LOGIN_FAILED'";
    t.sql(reasons, &[]).await
}

#[tokio::test]
async fn a_right_password_is_asked_for_a_code_and_begins_no_session() {
    let (t, enrolled) = enrolled().await;
    let before = t.count("select count(*) from sessions").await;
    let question = sign_in(&t, Person::Member).await;
    assert_eq!(question.problem(403), "second-factor-required");
    let question = question.expect(403);
    assert_eq!(question["methods"], json!(["totp", "recovery-code"]));
    assert_eq!(question["expiresIn"], 600);
    assert!(question.get("accessToken").is_none());
    assert_eq!(t.count("select count(*) from sessions").await, before);
    let wrong = t.anonymous().sign_in("member@example.com", "wrong").await;
    assert_eq!(wrong.problem(401), "invalid-credentials");
    let token = question["challengeToken"].as_str().unwrap();
    let session = meet(&t, token, &enrolled.code(&t).await).await.expect(200);
    assert_eq!(session["user"]["email"], "member@example.com");
    let again = meet(&t, token, &enrolled.codes[0]).await;
    assert_eq!(again.problem(401), "invalid-challenge");
    let asked =
        "select count(*) from audit_logs where action = 'LOGIN_CHALLENGE' and entity_id = 4";
    assert_eq!(t.count(asked).await, 1);
}

#[tokio::test]
async fn every_way_to_a_session_says_by_what_it_was_proved() {
    let (t, enrolled) = enrolled().await;
    let both = json!(["pwd", "otp", "mfa"]);
    let plain = sign_in(&t, Person::Admin).await.expect(200);
    assert_eq!(claims(&plain)["amr"], json!(["pwd"]));
    let by_code = enrolled.sign_in(&t).await;
    assert_eq!(claims(&by_code)["amr"], both);
    let question = half(&t, Person::Member).await;
    let by_recovery = meet(&t, &question, &enrolled.codes[3]).await.expect(200);
    assert_eq!(claims(&by_recovery)["amr"], both);
    let form = json!({ "refreshToken": by_code["refreshToken"] });
    let refreshed = t.anonymous().post("/api/auth/refresh", form).await;
    assert_eq!(claims(&refreshed.expect(200))["amr"], both);
    let own = t
        .anonymous()
        .with_token(by_code["accessToken"].as_str().unwrap());
    let form = json!({ "password": PASSWORD, "code": enrolled.codes[4] });
    let proved = own.post(PROVE, form).await.expect(200);
    assert_eq!(claims(&proved)["amr"], both);
}

#[tokio::test]
async fn attack_a_code_is_used_twice() {
    let (t, enrolled) = enrolled().await;
    let code = enrolled.code(&t).await;
    let first = half(&t, Person::Member).await;
    let session = meet(&t, &first, &code).await.expect(200);
    let second = half(&t, Person::Member).await;
    let again = meet(&t, &second, &code).await;
    assert_eq!(again.problem(401), "invalid-code");
    let own = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    let form = json!({ "password": PASSWORD, "code": code });
    assert_eq!(own.post(PROVE, form).await.problem(401), "invalid-code");
    // The challenge has not suffered from it.
    meet(&t, &second, &enrolled.codes[0]).await.expect(200);
    let third = half(&t, Person::Member).await;
    let again = meet(&t, &third, &enrolled.codes[0]).await;
    assert_eq!(again.problem(401), "invalid-code");
    let standing = own.get("/api/me/factors").await.expect(200);
    assert_eq!(standing["recoveryCodesLeft"], 9);
    assert_eq!(failures(&t).await, json!(["wrong-code", "wrong-code"]));
}

#[tokio::test]
async fn attack_the_code_of_somebody_else_is_shown() {
    let (t, enrolled) = enrolled().await;
    let other = enrol(&t, Person::Auditor).await;
    let question = half(&t, Person::Member).await;
    for code in [other.code(&t).await, other.codes[0].clone()] {
        assert_eq!(
            meet(&t, &question, &code).await.problem(401),
            "invalid-code"
        );
    }
    meet(&t, &question, &enrolled.codes[0]).await.expect(200);
}

#[tokio::test]
async fn attack_codes_are_guessed_at_a_challenge() {
    let (t, enrolled) = enrolled().await;
    let question = half(&t, Person::Member).await;
    let wrong = wrong_code(&enrolled.key);
    for guess in [&wrong, "", "0", "abcd-efgh-ijkl-mnop", &wrong] {
        assert_eq!(
            meet(&t, &question, guess).await.problem(401),
            "invalid-code"
        );
    }
    for code in [enrolled.code(&t).await, enrolled.codes[0].clone()] {
        let late = meet(&t, &question, &code).await;
        assert_eq!(late.problem(401), "invalid-challenge");
    }
    let tries = t.sql("select tries from challenges", &[]).await;
    assert_eq!(tries, 5);
    let refused = t.refused("update challenges set tries = 0").await;
    assert!(refused.contains("not taken back"), "{refused}");
    let at_once = half(&t, Person::Member).await;
    let guesses = (0..16).map(|_| Box::pin(meet(&t, &at_once, &wrong)));
    for guess in crate::secrets::join(guesses.collect()).await {
        guess.problem(401);
    }
    let most = "select max(tries)::bigint from challenges";
    assert_eq!(t.count(most).await, 5);
}

#[tokio::test]
async fn attack_codes_are_guessed_in_a_session() {
    let (t, enrolled) = enrolled().await;
    let own = enrolled.caller(&t).await;
    let wrong = wrong_code(&enrolled.key);
    let prove = async |password: &str, code: &str| {
        let form = json!({ "password": password, "code": code });
        own.post(PROVE, form).await
    };
    for _ in 0..5 {
        assert_eq!(prove(PASSWORD, &wrong).await.problem(401), "invalid-code");
    }
    let late = prove(PASSWORD, &enrolled.code(&t).await).await;
    assert_eq!(late.problem(429), "too-many-codes");
    assert_eq!(late.header("retry-after"), "600");
    let late = prove(PASSWORD, &enrolled.codes[0]).await;
    assert_eq!(late.problem(429), "too-many-codes");
    let refused = "select count(*) from audit_logs where action = 'CODE_REFUSED' and actor_id = 4";
    assert_eq!(t.count(refused).await, 7);
    t.execute("update totp_factors set tries_end_at = now()")
        .await;
    prove(PASSWORD, &enrolled.code(&t).await).await.expect(200);
}

#[tokio::test]
async fn attack_a_wrong_password_stands_beside_a_right_code() {
    let (t, enrolled) = enrolled().await;
    let own = enrolled.caller(&t).await;
    age(&t).await;
    let code = enrolled.code(&t).await;
    let form = json!({ "password": "not the password of mine", "code": code });
    assert_eq!(own.post(PROVE, form).await.problem(403), "wrong-password");
    for form in [
        json!({ "code": code }),
        json!({ "password": PASSWORD }),
        json!({}),
    ] {
        let refused = own.post(PROVE, form).await;
        assert_eq!(refused.problem(400), "validation-failed");
    }
    let refused = own.request_without_body(&Method::POST, CODES).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
    // The code was not used up by any of it.
    let form = json!({ "password": PASSWORD, "code": code });
    own.post(PROVE, form).await.expect(200);
    own.request_without_body(&Method::POST, CODES)
        .await
        .expect(200);
    let needless = json!({ "password": PASSWORD, "code": code });
    assert_eq!(t.admin().post(PROVE, needless).await.status(), 400);
}

#[tokio::test]
async fn attack_the_account_changes_between_the_steps() {
    for (change, code) in [
        (
            "update users set is_active = false where id = 4",
            "invalid-challenge",
        ),
        (
            "update users set is_active = false, deleted_at = now() where id = 4",
            "invalid-challenge",
        ),
        (
            "update users set password = (select password from users where id = 4) || 'x' where id = 4",
            "invalid-challenge",
        ),
        (
            "update users set email = 'other@example.com' where id = 4",
            "invalid-challenge",
        ),
        (
            "update users set is_self_registered = true, email_verified_at = null where id = 4",
            "invalid-code",
        ),
        (
            "update users set second_factors = '{}' where id = 4",
            "invalid-code",
        ),
        (
            "update challenges set created_at = now() - interval '1 hour', expires_at = now()",
            "invalid-challenge",
        ),
    ] {
        let (t, enrolled) = enrolled().await;
        let before = t.count("select count(*) from sessions").await;
        let question = half(&t, Person::Member).await;
        t.execute(change).await;
        let late = meet(&t, &question, &enrolled.code(&t).await).await;
        assert_eq!(late.problem(401), code, "{change}");
        let after = t.count("select count(*) from sessions").await;
        assert_eq!(before, after, "{change}");
    }
}

#[tokio::test]
async fn attack_a_half_sign_in_opens_nothing_else_and_nothing_else_opens_it() {
    let (t, enrolled) = enrolled().await;
    let challenge = half(&t, Person::Member).await;
    let bearer = t.anonymous().with_token(&challenge);
    for (method, path) in [
        (Method::GET, "/api/me"),
        (Method::GET, "/api/me/factors"),
        (Method::POST, TOTP),
        (Method::DELETE, TOTP),
        (Method::POST, "/api/me/factors/totp/confirm"),
        (Method::POST, CODES),
        (Method::POST, PROVE),
        (Method::DELETE, "/api/me/sessions"),
    ] {
        let refused = bearer.request_without_body(&method, path).await;
        assert_eq!(refused.problem(401), "unauthenticated", "{method} {path}");
    }
    let post = async |path: &str, form: Value| t.anonymous().post(path, form).await;
    let refresh = json!({ "refreshToken": challenge });
    assert_eq!(post("/api/auth/refresh", refresh).await.status(), 401);
    assert_eq!(
        verify(&t, json!({ "token": challenge })).await.status(),
        400
    );
    let reset = json!({ "token": challenge, "password": "quite another password" });
    assert_eq!(post("/api/auth/password/reset", reset).await.status(), 400);

    register(&t, NEW).await.expect(202);
    let verification = newest_token(&t).await;
    let forgot = json!({ "email": "member@example.com" });
    post("/api/auth/password/forgot", forgot).await.expect(202);
    let reset = newest_token(&t).await;
    let session = sign_in(&t, Person::Admin).await.expect(200);
    let (access, refresh) = (&session["accessToken"], &session["refreshToken"]);
    for other in [
        &verification,
        &reset,
        access.as_str().unwrap(),
        refresh.as_str().unwrap(),
        "",
    ] {
        let refused = meet(&t, other, &enrolled.codes[0]).await;
        assert_eq!(refused.problem(401), "invalid-challenge");
    }
    meet(&t, &challenge, &enrolled.codes[0]).await.expect(200);
}

#[tokio::test]
async fn a_password_that_is_set_anew_leaves_the_second_factor() {
    let (t, enrolled) = enrolled().await;
    let old = half(&t, Person::Member).await;
    let forgot = json!({ "email": "member@example.com" });
    let answer = t
        .anonymous()
        .post("/api/auth/password/forgot", forgot)
        .await;
    answer.expect(202);
    let form = json!({ "token": newest_token(&t).await, "password": "quite another password" });
    let answer = t.anonymous().post("/api/auth/password/reset", form).await;
    answer.expect(204);
    let late = meet(&t, &old, &enrolled.codes[0]).await;
    assert_eq!(late.problem(401), "invalid-challenge");
    let question = t
        .anonymous()
        .sign_in("member@example.com", "quite another password")
        .await;
    assert_eq!(question.problem(403), "second-factor-required");
    let question = question.expect(403)["challengeToken"].clone();
    let code = &enrolled.codes[0];
    meet(&t, question.as_str().unwrap(), code).await.expect(200);
}

#[tokio::test]
async fn a_sign_in_that_is_sent_again_is_asked_alike_and_begins_one_session() {
    let (t, enrolled) = enrolled().await;
    let keyed = t.anonymous().with_header("idempotency-key", "k");
    let ask = async || {
        keyed
            .sign_in("member@example.com", PASSWORD)
            .await
            .expect(403)
    };
    let (first, again) = (ask().await, ask().await);
    assert_eq!(first["challengeToken"], again["challengeToken"]);
    let form =
        json!({ "challengeToken": first["challengeToken"], "code": enrolled.code(&t).await });
    let session = keyed.post(PATH, form.clone()).await;
    // One key is for one request.
    assert_eq!(session.status(), 200, "{}", session.text());
    let again = keyed.post(PATH, form).await.expect(200);
    assert_eq!(session.expect(200)["refreshToken"], again["refreshToken"]);
    let logins = "select count(*) from audit_logs where action = 'LOGIN' and entity_id = 4";
    assert_eq!(t.count(logins).await, 1);
    // The factor is gone by now, and the same request is another one.
    let own = t
        .anonymous()
        .with_token(again["accessToken"].as_str().unwrap());
    own.delete(TOTP).await.expect(204);
    let late = keyed.sign_in("member@example.com", PASSWORD).await;
    assert!(matches!(late.status(), 200 | 422), "{}", late.text());
}

#[tokio::test]
async fn what_is_over_is_removed() {
    let t = TestApp::with(&[("CRON_SECRET", usher_tests::CRON_SECRET)]).await;
    enrol(&t, Person::Member).await;
    crate::enrolled::begin(&t.caller(Person::Auditor)).await;
    crate::enrolled::begin(&t.caller(Person::Helper)).await;
    half(&t, Person::Member).await;
    half(&t, Person::Member).await;
    let old = "update challenges set created_at = now() - interval '3 days', expires_at = now() - interval '2 days'
          where secret_hash = (select secret_hash from challenges limit 1);
        update totp_factors set created_at = now() - interval '2 days' where user_id <> 2";
    t.execute(old).await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(t.count("select count(*) from challenges").await, 1);
    let left = "select jsonb_agg(user_id order by user_id) from totp_factors";
    assert_eq!(t.sql(left, &[]).await, json!([2, 4]));
}
