//! Second factors: taken with a proof of the last minutes, shown once, given up, and told of.

use http::Method;
use serde_json::json;
use usher_core::secret::Secret;
use usher_tests::{PASSWORD, Person, TestApp};

use crate::{
    challenges::{half, meet, sign_in},
    enrolled::{
        CODES, CONFIRM, Enrolled, FACTORS, TOTP, begin, code_of, confirm, decode, enrol, wrong_code,
    },
    step_up::{age, claims},
};

#[tokio::test]
async fn an_app_is_in_force_when_its_first_code_was_shown() {
    let t = TestApp::start().await;
    let other = sign_in(&t, Person::Member).await.expect(200);
    let member = t.member();
    let begun = member.request_without_body(&Method::POST, TOTP).await;
    let begun = begun.expect(200);
    let secret = begun["secret"].as_str().unwrap();
    assert_eq!((secret.len(), decode(secret).len()), (32, 20));
    let uri = format!(
        "otpauth://totp/id%2Eexample%2Ecom:member%40example%2Ecom?secret={secret}&issuer=id%2Eexample%2Ecom&algorithm=SHA1&digits=6&period=30"
    );
    assert_eq!(begun["uri"], uri);
    let none = json!({ "factors": [], "recoveryCodesLeft": 0 });
    assert_eq!(member.get(FACTORS).await.expect(200), none);
    sign_in(&t, Person::Member).await.expect(200);

    let codes = confirm(&member, &code_of(&decode(secret)))
        .await
        .expect(200);
    assert_eq!(codes["recoveryCodes"].as_array().unwrap().len(), 10);
    let listed = member.get(FACTORS).await.expect(200);
    assert_eq!(listed["recoveryCodesLeft"], 10);
    assert_eq!(listed["factors"][0]["kind"], "totp");
    assert!(listed["factors"][0]["lastUsedAt"].is_string());
    assert!(!listed.to_string().contains(secret));
    assert_eq!(
        sign_in(&t, Person::Member).await.problem(403),
        "second-factor-required"
    );
    let refresh = json!({ "refreshToken": other["refreshToken"] });
    let refused = t.anonymous().post("/api/auth/refresh", refresh).await;
    assert_eq!(refused.problem(401), "invalid-refresh-token");
    let ended = "select string_agg(distinct end_reason, ',') from sessions where user_id = 4";
    assert_eq!(t.sql(ended, &[]).await, "factors-changed");
    let own = "select methods from sessions where user_id = 4 and ended_at is null";
    assert_eq!(t.sql(own, &[]).await, json!(["pwd", "otp"]));
    let mails = t.mails().await;
    assert_eq!(
        (mails.len(), mails[0].to.as_str()),
        (1, "member@example.com")
    );
    assert!(mails[0].text.contains("authenticator app was added"));
    let stored = "select (select string_agg(totp_factors::text, ' ') from totp_factors) ||
        (select string_agg(recovery_codes::text, ' ') from recovery_codes) || (select string_agg(payload::text, ' ') from audit_logs)";
    let stored = t.sql(stored, &[]).await.to_string();
    assert!(!stored.contains(secret) && !stored.contains("recoveryCodes"));
}

#[tokio::test]
async fn attack_a_stale_session_takes_and_gives_up_nothing_until_it_is_proved_again() {
    let t = TestApp::start().await;
    age(&t).await;
    let member = t.member();
    for (method, path) in [
        (Method::POST, TOTP),
        (Method::DELETE, TOTP),
        (Method::POST, CONFIRM),
        (Method::POST, CODES),
    ] {
        let refused = member.request_without_body(&method, path).await;
        assert_eq!(refused.problem(401), "reauthentication-required", "{path}");
        let challenge = refused.header("www-authenticate");
        assert!(challenge.starts_with(r#"Bearer error="insufficient_user_authentication""#));
        assert!(challenge.ends_with(", max_age=600"), "{challenge}");
        let body = refused.expect(401);
        assert_eq!(
            (&body["methods"], &body["maxAge"]),
            (&json!(["password"]), &json!(600))
        );
    }
    let form = json!({ "password": PASSWORD });
    member
        .post("/api/auth/reauthenticate", form)
        .await
        .expect(200);
    // The database knows of the proof, so that the older access token is good for it too.
    begin(&member).await;
    t.execute("update sessions set authenticated_at = now() - interval '601 seconds'")
        .await;
    let refused = member.request_without_body(&Method::POST, TOTP).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
}

#[tokio::test]
async fn attack_a_session_of_the_password_alone_is_not_enough_once_there_is_a_factor() {
    let t = TestApp::start().await;
    enrol(&t, Person::Member).await;
    let refused = t
        .refused("update sessions set methods = '{pwd}' where user_id = 4 and ended_at is null")
        .await;
    assert!(refused.contains("second factor"), "{refused}");
    let refused = t
        .refused(
            "insert into sessions (id, user_id, refresh_hash, expires_at)
            values (gen_random_uuid(), 4, sha256('x'), now() + interval '1 day')",
        )
        .await;
    assert!(refused.contains("second factor"), "{refused}");
    // As if it were there all the same.
    t.execute(
        "alter table sessions disable trigger user;
        update sessions set methods = '{pwd}' where user_id = 4 and ended_at is null",
    )
    .await;
    let refused = t.member().request_without_body(&Method::POST, CODES).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
    let methods = json!(["password", "totp", "recovery-code"]);
    assert_eq!(refused.expect(401)["methods"], methods);
}

#[tokio::test]
async fn attack_a_first_code_is_guessed_five_times_at_most() {
    let t = TestApp::start().await;
    let member = t.member();
    let refused = confirm(&member, "123456").await;
    assert_eq!(refused.problem(404), "factor-not-found");
    let key = begin(&member).await;
    let wrong = wrong_code(&key);
    for _ in 0..5 {
        assert_eq!(confirm(&member, &wrong).await.problem(401), "invalid-code");
    }
    let late = confirm(&member, &code_of(&key)).await;
    assert_eq!(late.problem(404), "factor-not-found");
    let key = begin(&member).await;
    confirm(&member, &code_of(&key)).await.expect(200);
    for refused in [
        member.request_without_body(&Method::POST, TOTP).await,
        confirm(&member, &code_of(&key)).await,
    ] {
        assert_eq!(refused.problem(409), "factor-exists");
    }
    let refused = "select count(*) from audit_logs where action = 'CODE_REFUSED' and entity_id = 4";
    assert_eq!(t.count(refused).await, 5);
}

#[tokio::test]
async fn a_first_code_is_of_the_secret_that_was_shown_last_and_not_long_ago() {
    let t = TestApp::start().await;
    let member = t.member();
    let older = begin(&member).await;
    let newer = begin(&member).await;
    let refused = confirm(&member, &code_of(&older)).await;
    assert_eq!(refused.problem(401), "invalid-code");
    t.execute("update totp_factors set created_at = now() - interval '31 minutes'")
        .await;
    let refused = confirm(&member, &code_of(&newer)).await;
    assert_eq!(refused.problem(401), "invalid-code");
    // A recovery code is no first code.
    let refused = confirm(&member, "abcd-efgh-ijkl-mnop").await;
    assert_eq!(refused.problem(401), "invalid-code");
    assert_eq!(t.count("select count(*) from recovery_codes").await, 0);
}

#[tokio::test]
async fn who_removes_the_app_signs_in_by_the_password_alone_and_is_signed_out_elsewhere() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    let other = enrolled.caller(&t).await;
    let member = t.member();
    member.delete(TOTP).await.expect(204);
    other.get("/api/me").await.problem(401);
    member.get("/api/me").await.expect(200);
    assert_eq!(member.delete(TOTP).await.problem(404), "factor-not-found");
    let codes = member.request_without_body(&Method::POST, CODES).await;
    assert_eq!(codes.problem(404), "factor-not-found");
    let session = sign_in(&t, Person::Member).await.expect(200);
    assert_eq!(claims(&session)["amr"], json!(["pwd"]));
    let left = "select count(*) from recovery_codes, totp_factors";
    assert_eq!(t.count(left).await, 0);
    let mails = t.mails().await;
    assert!(mails.last().unwrap().text.contains("was removed just now"));
}

#[tokio::test]
async fn new_recovery_codes_void_the_old_ones() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    let renewed = t.member().request_without_body(&Method::POST, CODES).await;
    let renewed = renewed.expect(200)["recoveryCodes"].clone();
    assert!(
        t.mails()
            .await
            .last()
            .unwrap()
            .text
            .contains("The old ones are void")
    );
    let question = half(&t, Person::Member).await;
    let old = meet(&t, &question, &enrolled.codes[0]).await;
    assert_eq!(old.problem(401), "invalid-code");
    let new = renewed[0].as_str().unwrap();
    meet(&t, &question, new).await.expect(200);
}

#[tokio::test]
async fn an_administrator_removes_the_factors_of_who_has_lost_them() {
    let t = TestApp::start().await;
    let path = "/api/users/4/factors";
    let enrolled = enrol(&t, Person::Member).await;
    assert_eq!(t.member().delete(path).await.problem(403), "forbidden");
    enrol(&t, Person::Admin).await;
    let helper = t.caller(Person::Helper);
    let above = helper.delete("/api/users/1/factors").await;
    assert_eq!(above.problem(403), "role-escalation");
    age(&t).await;
    let stale = helper.delete(path).await;
    assert_eq!(stale.problem(401), "reauthentication-required");
    t.execute("update sessions set authenticated_at = now()")
        .await;
    let question = half(&t, Person::Member).await;
    helper.delete(path).await.expect(204);
    assert_eq!(helper.delete(path).await.problem(404), "factor-not-found");
    t.member().get("/api/me").await.problem(401);
    let late = meet(&t, &question, &enrolled.codes[0]).await;
    assert_eq!(late.problem(401), "invalid-code");
    sign_in(&t, Person::Member).await.expect(200);
    let entry = "select payload from audit_logs where action = 'FACTOR_REMOVE' and actor_id = 3 and entity_id = 4";
    assert_eq!(t.sql(entry, &[]).await, json!({ "factors": "all" }));
    let mails = t.mails().await;
    let last = mails.last().unwrap();
    assert_eq!(last.to, "member@example.com");
    assert!(last.text.contains("An administrator") || last.text.contains("an administrator"));
}

#[tokio::test]
async fn what_is_sent_again_is_done_once_and_shown_alike() {
    let t = TestApp::start().await;
    let keyed = |key: &str| t.member().with_header("idempotency-key", key);
    let begin = keyed("begin");
    let first = begin
        .request_without_body(&Method::POST, TOTP)
        .await
        .expect(200);
    let again = begin
        .request_without_body(&Method::POST, TOTP)
        .await
        .expect(200);
    assert_eq!(first, again);
    let code = code_of(&decode(first["secret"].as_str().unwrap()));
    let first = confirm(&keyed("confirm"), &code).await.expect(200);
    assert_eq!(confirm(&keyed("confirm"), &code).await.expect(200), first);
    let renew = keyed("renew");
    let first = renew
        .request_without_body(&Method::POST, CODES)
        .await
        .expect(200);
    let again = renew
        .request_without_body(&Method::POST, CODES)
        .await
        .expect(200);
    assert_eq!(first, again);
    for _ in 0..2 {
        keyed("remove").delete(TOTP).await.expect(204);
    }
    let entries = t.audit().await;
    assert_eq!(entries.len(), 4, "{entries:#?}");
    assert_eq!(t.mails().await.len(), 3);
    // Another day the same key makes other codes.
    t.execute("delete from idempotency_keys").await;
    let other = begin
        .request_without_body(&Method::POST, TOTP)
        .await
        .expect(200);
    assert_ne!(other["secret"], json!(null));
    let key = decode(other["secret"].as_str().unwrap());
    let other = confirm(&keyed("confirm"), &code_of(&key)).await.expect(200);
    assert_ne!(other["recoveryCodes"], first["recoveryCodes"]);
}

#[tokio::test]
async fn a_secret_of_an_app_outlives_the_secret_it_was_sealed_with() {
    let t = TestApp::start().await;
    let [old, new] = [(); 2].map(|()| Secret::generate().unwrap());
    let both = format!("{new},{old}");
    let at = |secret: &str| t.beside(&[("USHER_SECRET", secret)]).1;
    let anonymous = at(&old);
    let session = anonymous
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    let own = anonymous
        .clone()
        .with_token(session["accessToken"].as_str().unwrap());
    let key = begin(&own).await;
    confirm(&own, &code_of(&key)).await.expect(200);
    let enrolled = Enrolled {
        person: Person::Member,
        key,
        codes: Vec::new(),
    };
    for (secret, status) in [(&new, 401), (&both, 200), (&new, 200)] {
        let caller = at(secret);
        let question = caller.sign_in("member@example.com", PASSWORD).await;
        let question = question.expect(403);
        let code = enrolled.code(&t).await;
        let form = json!({ "challengeToken": question["challengeToken"], "code": code });
        let answer = caller.post("/api/auth/challenge", form).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
}

#[tokio::test]
async fn who_is_removed_leaves_no_secret() {
    let t = TestApp::start().await;
    enrol(&t, Person::Member).await;
    t.admin().delete("/api/users/4").await.expect(204);
    let left = "select (select count(*) from totp_factors) + (select count(*) from recovery_codes)";
    assert_eq!(t.count(left).await, 0);
}
