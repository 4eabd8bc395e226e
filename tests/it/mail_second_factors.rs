//! Signing in by mail to an account that has a second factor: the mail is the first step, as a password is.

use http::Method;
use serde_json::{Value, json};
use usher_core::{
    accounts::{self, Redemption},
    limits::{Charge, Tries},
};
use usher_tests::{Answer, PASSWORD, Person, TestApp};

use crate::{
    accounts::{newest_token, verify},
    challenges::{enrolled, meet},
    enrolled::{CODES, Enrolled, TOTP, enrol, wrong_code},
    mail_sign_in::{MEMBER, Mailed, confirm, mailed},
    secret_races::origin,
    sixteen::{rounds, winners},
    step_up::claims,
};

const PATH: &str = "/api/auth/link/confirm";

/// As many mails as a test needs.
const PATIENT: (&str, &str) = (
    "USHER_LIMITS",
    "mail-address=1000000/1,mail-recipient=1000000/1,secret-address=1000000/1,everybody=1000000/1,mail-factor=100",
);

/// Takes the first step by a mail.
async fn first(t: &TestApp) -> Answer {
    let mailed = mailed(t, MEMBER).await;
    confirm(t, mailed.by_link()).await
}

fn challenge(question: &Answer) -> String {
    assert_eq!(question.problem(403), "second-factor-required");
    let token = question.expect(403)["challengeToken"].clone();
    token.as_str().unwrap().to_owned()
}

/// Takes the first step by a mail, and returns the token for the second one.
async fn half(t: &TestApp) -> String {
    challenge(&first(t).await)
}

async fn patient() -> (TestApp, Enrolled) {
    let t = TestApp::with(&[PATIENT]).await;
    let enrolled = enrol(&t, Person::Member).await;
    (t, enrolled)
}

#[tokio::test]
async fn a_link_and_a_code_are_asked_for_the_second_factor_and_begin_no_session() {
    let (t, enrolled) = enrolled().await;
    let before = t.count("select count(*) from sessions").await;
    let pick: [fn(&Mailed) -> Value; 2] = [Mailed::by_link, Mailed::by_code];
    for by in pick {
        let mailed = mailed(&t, MEMBER).await;
        let question = confirm(&t, by(&mailed)).await;
        assert_eq!(question.problem(403), "second-factor-required");
        let told = question.expect(403);
        assert_eq!(told["methods"], json!(["totp", "recovery-code"]));
        assert_eq!(told["expiresIn"], 600);
        assert!(told.get("accessToken").is_none() && told.get("refreshToken").is_none());
        for form in [mailed.by_link(), mailed.by_code()] {
            assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
        }
    }
    assert_eq!(t.count("select count(*) from sessions").await, before);
    let token = half(&t).await;
    let session = meet(&t, &token, &enrolled.code(&t).await).await.expect(200);
    assert_eq!(session["user"]["email"], MEMBER);
    let again = meet(&t, &token, &enrolled.codes[0]).await;
    assert_eq!(again.problem(401), "invalid-challenge");
    let by = "select jsonb_agg(payload -> 'mail' ->> 'by' order by id)
        from audit_logs where action = 'LOGIN_CHALLENGE' and entity_id = 4 and actor_id is null";
    assert_eq!(t.sql(by, &[]).await, json!(["link", "code", "link"]));
}

#[tokio::test]
async fn the_session_tells_of_the_mail_and_the_code_and_is_proved_by_two_factors() {
    let (t, enrolled) = enrolled().await;
    let question = half(&t).await;
    let session = meet(&t, &question, &enrolled.code(&t).await)
        .await
        .expect(200);
    let both = json!(["otp", "email", "mfa"]);
    assert_eq!(claims(&session)["amr"], both);
    let refresh = json!({ "refreshToken": session["refreshToken"] });
    let next = t.anonymous().post("/api/auth/refresh", refresh).await;
    assert_eq!(claims(&next.expect(200))["amr"], both);
    let stored =
        "select count(*) from sessions where methods @> '{email,otp}' and 'pwd' <> all (methods)";
    assert_eq!(t.count(stored).await, 1);
    // So it may do at once what asks for both factors.
    let own = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    own.request_without_body(&Method::POST, CODES)
        .await
        .expect(200);
    let question = half(&t).await;
    let late = meet(&t, &question, &enrolled.codes[0]).await;
    assert_eq!(late.problem(401), "invalid-code", "there are new ones");
}

#[tokio::test]
async fn a_recovery_code_takes_the_second_step() {
    let (t, enrolled) = enrolled().await;
    let question = half(&t).await;
    let session = meet(&t, &question, &enrolled.codes[3]).await.expect(200);
    assert_eq!(claims(&session)["amr"], json!(["otp", "email", "mfa"]));
}

#[tokio::test]
async fn an_account_without_a_password_takes_both_steps() {
    let (t, enrolled) = enrolled().await;
    t.execute("update users set password = null where id = 4")
        .await;
    let question = half(&t).await;
    let code = enrolled.code(&t).await;
    meet(&t, &question, &code).await.expect(200);
}

#[tokio::test]
async fn who_reads_the_mail_has_verified_the_address_by_the_first_step() {
    let (t, _) = enrolled().await;
    t.execute("update users set email_verified_at = null where id = 4")
        .await;
    half(&t).await;
    let kept = "select count(*) from users
        where id = 4 and email_verified_at is not null and password is not null";
    assert_eq!(t.count(kept).await, 1);
}

#[tokio::test]
async fn attack_a_half_sign_in_by_mail_opens_nothing_else() {
    let (t, enrolled) = enrolled().await;
    let challenge = half(&t).await;
    let bearer = t.anonymous().with_token(&challenge);
    for (method, path) in [
        (Method::GET, "/api/me"),
        (Method::GET, "/api/me/export"),
        (Method::GET, "/api/me/factors"),
        (Method::DELETE, TOTP),
        (Method::POST, CODES),
        (Method::POST, "/api/auth/reauthenticate"),
        (Method::DELETE, "/api/me/sessions"),
    ] {
        let refused = bearer.request_without_body(&method, path).await;
        assert_eq!(refused.problem(401), "unauthenticated", "{method} {path}");
    }
    let post = async |path: &str, form: Value| t.anonymous().post(path, form).await;
    let refresh = json!({ "refreshToken": challenge });
    assert_eq!(post("/api/auth/refresh", refresh).await.status(), 401);
    let verified = verify(&t, json!({ "token": challenge })).await;
    assert_eq!(verified.problem(400), "invalid-secret");
    let reset = json!({ "token": challenge, "password": "quite another password" });
    let reset = post("/api/auth/password/reset", reset).await;
    assert_eq!(reset.problem(400), "invalid-secret");
    let link = json!({ "token": challenge, "requestToken": challenge });
    assert_eq!(confirm(&t, link).await.problem(400), "invalid-secret");
    meet(&t, &challenge, &enrolled.codes[0]).await.expect(200);
}

#[tokio::test]
async fn attack_what_was_mailed_is_shown_as_a_challenge() {
    let (t, enrolled) = enrolled().await;
    let mailed = mailed(&t, MEMBER).await;
    for token in [&mailed.token, &mailed.request, &mailed.code] {
        let refused = meet(&t, token, &enrolled.codes[0]).await;
        assert_eq!(refused.problem(401), "invalid-challenge");
    }
}

#[tokio::test]
async fn attack_who_reads_the_mails_guesses_codes() {
    let (t, enrolled) = enrolled().await;
    let wrong = wrong_code(&enrolled.key);
    let challenge = half(&t).await;
    for _ in 0..5 {
        let refused = meet(&t, &challenge, &wrong).await;
        assert_eq!(refused.problem(401), "invalid-code");
    }
    let late = meet(&t, &challenge, &enrolled.code(&t).await).await;
    assert_eq!(late.problem(401), "invalid-challenge");
    for _ in 0..4 {
        half(&t).await;
    }
    // A link that is right is refused as well, and stays good.
    let next = mailed(&t, MEMBER).await;
    let refused = confirm(&t, next.by_link()).await;
    assert_eq!(refused.problem(429), "too-many-requests");
    let entries = t.audit().await;
    let entry = entries.last().unwrap();
    assert_eq!(
        (&entry["action"], &entry["payload"]["limit"]),
        (&json!("LIMITED"), &json!("mail-factor"))
    );
    assert_eq!(entry["entity_id"], 4);
    // The password has tries of its own.
    let own = t.anonymous().sign_in(MEMBER, PASSWORD).await;
    own.problem(403);
    t.execute("update credential_tries set open_at = now() - interval '1 second'")
        .await;
    let question = challenge_of(&t, &next).await;
    let code = enrolled.code(&t).await;
    meet(&t, &question, &code).await.expect(200);
    let left = "select count(*) from credential_tries";
    assert_eq!(t.count(left).await, 2, "those of the password");
}

async fn challenge_of(t: &TestApp, mailed: &Mailed) -> String {
    challenge(&confirm(t, mailed.by_link()).await)
}

#[tokio::test]
async fn attack_the_account_changes_between_the_mail_and_the_code() {
    for (change, code) in [
        ("is_active = false", "invalid-challenge"),
        ("is_active = false, deleted_at = now()", "invalid-challenge"),
        ("password = password || 'x'", "invalid-challenge"),
        ("password = null", "invalid-challenge"),
        ("email = 'other@example.com'", "invalid-challenge"),
        ("second_factors = '{}'", "invalid-code"),
    ] {
        let (t, enrolled) = enrolled().await;
        let before = t.count("select count(*) from sessions").await;
        let question = half(&t).await;
        t.execute(&format!("update users set {change} where id = 4"))
            .await;
        let late = meet(&t, &question, &enrolled.code(&t).await).await;
        assert_eq!(late.problem(401), code, "{change}");
        let after = t.count("select count(*) from sessions").await;
        assert_eq!(before, after, "{change}");
    }
}

#[tokio::test]
async fn attack_the_account_changes_between_the_mail_and_its_link() {
    for change in [
        "is_active = false",
        "deleted_at = now()",
        "email = 'other@example.com'",
        "is_self_registered = true, email_verified_at = null",
    ] {
        let (t, _) = enrolled().await;
        let mailed = mailed(&t, MEMBER).await;
        t.execute(&format!("update users set {change} where id = 4"))
            .await;
        for form in [mailed.by_link(), mailed.by_code()] {
            let refused = confirm(&t, form).await;
            assert_eq!(refused.problem(400), "invalid-secret", "{change}");
        }
        assert_eq!(t.count("select count(*) from challenges").await, 0);
    }
}

#[tokio::test]
async fn a_factor_that_is_taken_or_given_up_meanwhile_counts() {
    let t = TestApp::start().await;
    let before = mailed(&t, MEMBER).await;
    let enrolled = enrol(&t, Person::Member).await;
    let question = challenge_of(&t, &before).await;
    let session = meet(&t, &question, &enrolled.code(&t).await).await;
    let session = session.expect(200);
    let before = mailed(&t, MEMBER).await;
    let own = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    own.delete(TOTP).await.expect(204);
    let session = confirm(&t, before.by_link()).await.expect(200);
    assert_eq!(claims(&session)["amr"], json!(["email"]));
}

#[tokio::test]
async fn a_first_step_that_is_sent_again_is_asked_alike_and_begins_one_session() {
    let (t, enrolled) = enrolled().await;
    let keyed = t.anonymous().with_header("idempotency-key", "k");
    let mailed = mailed(&t, MEMBER).await;
    let ask = async || keyed.post(PATH, mailed.by_link()).await.expect(403);
    let (first, again) = (ask().await, ask().await);
    assert_eq!(first["challengeToken"], again["challengeToken"]);
    assert_eq!(first["methods"], again["methods"]);
    assert_eq!(t.count("select count(*) from challenges").await, 1);
    let token = first["challengeToken"].as_str().unwrap();
    let code = enrolled.code(&t).await;
    let form = json!({ "challengeToken": token, "code": code });
    let session = keyed.post("/api/auth/challenge", form.clone()).await;
    let repeated = keyed.post("/api/auth/challenge", form).await;
    assert_eq!(
        session.expect(200)["refreshToken"],
        repeated.expect(200)["refreshToken"]
    );
    let other = keyed.post(PATH, mailed.by_code()).await;
    assert_eq!(other.problem(400), "invalid-secret", "of another sender");
}

#[tokio::test]
async fn a_build_that_knows_of_passwords_alone_finds_no_challenge_of_a_mail_good() {
    let (t, _) = enrolled().await;
    half(&t).await;
    let old = "select count(*) from challenges
        join users on users.id = challenges.user_id
        where challenges.proved = sha256(convert_to(users.password || '|' || users.email, 'UTF8'))";
    assert_eq!(t.count(old).await, 0);
    let refused = t
        .refused("update challenges set methods = '{otp}' where user_id = 4")
        .await;
    assert!(refused.contains("challenges_methods_check"), "{refused}");
}

#[tokio::test]
async fn nothing_of_the_question_is_in_the_database() {
    let (t, _) = enrolled().await;
    let challenge = half(&t).await;
    let stored = "select jsonb_build_array(
        (select jsonb_agg(to_jsonb(challenges)) from challenges),
        (select jsonb_agg(to_jsonb(audit_logs)) from audit_logs)
      )";
    let stored = t.sql(stored, &[]).await.to_string();
    assert!(!stored.contains(&challenge) && !stored.contains(&newest_token(&t).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_show_the_same_link_or_code_one_is_asked_for_the_factor() {
    let (t, _) = patient().await;
    for round in 0..rounds(50) {
        let mailed = mailed(&t, MEMBER).await;
        let count = winners(|number| {
            let app = t.app.clone();
            let shown = mailed.shown(&app, number.is_multiple_of(4));
            async move {
                let connection = app.database.connection().await.unwrap();
                let is_left = shown.count_try(&connection).await.unwrap();
                let entrant = accounts::find_entrant(&connection, &shown).await.unwrap();
                let (true, Some(entrant)) = (is_left, entrant) else {
                    return false;
                };
                let redemption = Redemption {
                    shown: &shown,
                    entrant: &entrant,
                    attempt: None,
                };
                let charge = Charge::new(&app.secret, &app.limits);
                let charge = charge.tries(Tries::MailFactor, &[b"4"]);
                let asked =
                    accounts::begin_sign_in(&connection, &origin(), &redemption, &charge).await;
                asked.unwrap().is_some()
            }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
    let expected = i64::try_from(rounds(50)).unwrap();
    let asked = "select count(*) from challenges";
    assert_eq!(t.count(asked).await, expected);
    let entries = "select count(*) from audit_logs where action = 'LOGIN_CHALLENGE'";
    assert_eq!(t.count(entries).await, expected);
    let begun = "select count(*) from sessions where 'email' = any (methods)";
    assert_eq!(t.count(begun).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_that_is_given_up_at_the_same_time_lets_nobody_in_twice() {
    let (t, _) = patient().await;
    for _ in 0..20 {
        let on = "update users set second_factors = '{totp}' where id = 4";
        t.execute(on).await;
        let mailed = mailed(&t, MEMBER).await;
        let off = t.execute("update users set second_factors = '{}' where id = 4");
        let (entered, ()) = tokio::join!(confirm(&t, mailed.by_link()), off);
        assert!(
            matches!(entered.status(), 200 | 400 | 403),
            "{}",
            entered.text()
        );
        let late = confirm(&t, mailed.by_link()).await;
        assert!(matches!(late.status(), 200 | 400), "{}", late.text());
        assert!(entered.status() == 400 || late.status() == 400);
    }
}
