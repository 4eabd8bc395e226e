//! Attacks on signing in by mail, each by its name, and sixteen at once.

use http::Method;
use serde_json::json;
use usher_core::accounts::{self, Redemption};
use usher_tests::{PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_token, register, verify},
    deletion,
    mail_sign_in::{MEMBER, ask, confirm, mailed},
    secret_races::origin,
    sixteen::{can_be_lost, rounds, winners},
};

/// The tries of a code alone count, and not those of its address.
const PATIENT: [(&str, &str); 1] = [("USHER_LIMITS", "code=100")];

/// How often sixteen try, usually.
const ROUNDS: usize = 50;

const TRIES: &str = "select tries::bigint from one_time_secrets";

/// The token of a request that was never made.
fn stranger() -> String {
    "A".repeat(43)
}

#[tokio::test]
async fn a_link_that_is_read_elsewhere_opens_nothing_and_is_not_used_up() {
    let t = TestApp::start().await;
    let mailed = mailed(&t, MEMBER).await;
    let theirs = ask(&t, "nobody@example.com").await.expect(202);
    for request in [
        stranger(),
        theirs["requestToken"].as_str().unwrap().to_owned(),
        mailed.token.clone(),
    ] {
        let form = json!({ "token": mailed.token, "requestToken": request });
        assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
    }
    for request in ["", "x", &mailed.request[1..]] {
        let form = json!({ "token": mailed.token, "requestToken": request });
        assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
    }
    confirm(&t, mailed.by_link()).await.expect(200);
}

#[tokio::test]
async fn a_code_that_is_read_elsewhere_opens_nothing_and_costs_a_try() {
    let t = TestApp::start().await;
    let mailed = mailed(&t, MEMBER).await;
    let form = json!({ "email": MEMBER, "code": mailed.code, "requestToken": stranger() });
    assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
    assert_eq!(t.count(TRIES).await, 1);
    confirm(&t, mailed.by_code()).await.expect(200);
}

#[tokio::test]
async fn a_link_that_somebody_sends_signs_nobody_in_to_an_account_of_theirs() {
    let t = TestApp::start().await;
    let theirs = mailed(&t, "auditor@example.com").await;
    let own = ask(&t, MEMBER).await.expect(202);
    let form = json!({ "token": theirs.token, "requestToken": own["requestToken"] });
    assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
}

#[tokio::test]
async fn guessing_a_code_ends_after_five_tries() {
    let t = TestApp::with(&PATIENT).await;
    let mailed = mailed(&t, MEMBER).await;
    let wrong = if mailed.code == "00000000" {
        "11111111"
    } else {
        "00000000"
    };
    for tries in 1..=5 {
        let form = json!({ "email": MEMBER, "code": wrong, "requestToken": mailed.request });
        assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
        assert_eq!(t.count(TRIES).await, tries);
    }
    let answer = confirm(&t, mailed.by_code()).await;
    assert_eq!(answer.problem(400), "invalid-secret");
}

#[tokio::test]
async fn a_code_of_somebody_else_is_no_code() {
    let t = TestApp::start().await;
    let theirs = mailed(&t, "auditor@example.com").await;
    let own = mailed(&t, MEMBER).await;
    for email in [MEMBER, "nobody@example.com"] {
        for request in [&theirs.request, &own.request] {
            let form = json!({ "email": email, "code": theirs.code, "requestToken": request });
            assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
        }
    }
    confirm(&t, theirs.by_code()).await.expect(200);
}

#[tokio::test]
async fn a_secret_of_another_purpose_opens_nothing() {
    let t = TestApp::start().await;
    let mut tokens = Vec::new();
    register(&t, NEW).await.expect(202);
    tokens.push(newest_token(&t).await);
    let form = json!({ "email": NEW });
    let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
    forgot.expect(202);
    tokens.push(newest_token(&t).await);
    let own = mailed(&t, NEW).await;
    for token in &tokens {
        for request in [&own.request, token] {
            let form = json!({ "token": token, "requestToken": request });
            assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
        }
    }
    for token in [&own.token, &own.request] {
        let form = json!({ "token": token, "password": "quite another password" });
        let reset = t.anonymous().post("/api/auth/password/reset", form).await;
        assert_eq!(reset.problem(400), "invalid-secret");
        let verified = verify(&t, json!({ "token": token })).await;
        assert_eq!(verified.problem(400), "invalid-secret");
    }
    let typed = verify(&t, json!({ "email": NEW, "code": own.code })).await;
    assert_eq!(typed.problem(400), "invalid-secret");
    verify(&t, json!({ "token": tokens[0] })).await.expect(204);
    confirm(&t, own.by_link()).await.expect(200);
}

#[tokio::test]
async fn who_registers_the_address_of_somebody_else_and_waits_does_not_get_in() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let own = mailed(&t, NEW).await;
    let session = confirm(&t, own.by_link()).await.expect(200);
    let caller = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    caller.get("/api/me").await.expect(200);
    let squatter = t.anonymous().sign_in(NEW, PASSWORD).await;
    assert_eq!(squatter.problem(401), "invalid-credentials");
    let entries = t.audit().await;
    let entry = entries.iter().find(|entry| entry["action"] == "LOGIN");
    assert_eq!(
        entry.unwrap()["payload"]["mail"],
        json!({ "by": "link", "isPasswordRemoved": true })
    );
    // Who registers once more does not change an account that is verified.
    register(&t, NEW).await.expect(202);
    t.anonymous().sign_in(NEW, PASSWORD).await.problem(401);
}

#[tokio::test]
async fn who_was_deactivated_removed_or_moved_meanwhile_is_not_let_in() {
    for change in [
        "update users set is_active = false where id = 4",
        "update users set deleted_at = now() where id = 4",
        "update users set email = 'other@example.com' where id = 4",
    ] {
        let t = TestApp::start().await;
        let mailed = mailed(&t, MEMBER).await;
        t.execute(change).await;
        for form in [mailed.by_link(), mailed.by_code()] {
            assert_eq!(
                confirm(&t, form).await.problem(400),
                "invalid-secret",
                "{change}"
            );
        }
        let begun = "select count(*) from sessions where methods = '{email}'";
        assert_eq!(t.count(begun).await, 0, "{change}");
    }
}

#[tokio::test]
async fn an_account_that_is_about_to_be_deleted_does_not_come_back_by_a_mail() {
    let t = TestApp::start().await;
    let before = mailed(&t, MEMBER).await;
    deletion::leave(&t.member()).await.expect(204);
    let answer = confirm(&t, before.by_link()).await;
    assert_eq!(answer.problem(400), "invalid-secret");
    let mails = t.mails().await.len();
    ask(&t, MEMBER).await.expect(202);
    assert_eq!(t.mails().await.len(), mails);
}

#[tokio::test]
async fn a_forged_host_changes_no_link() {
    let t = TestApp::start().await;
    for header in ["host", "x-forwarded-host", "x-original-host", "forwarded"] {
        let value = if header == "forwarded" {
            "host=evil.example"
        } else {
            "evil.example"
        };
        let caller = t.anonymous().with_header(header, value);
        let form = json!({ "email": MEMBER });
        caller.post("/api/auth/link", form).await.expect(202);
    }
    let mails = t.mails().await;
    assert_eq!(mails.len(), 4);
    for mail in mails {
        assert!(!mail.text.contains("evil") && !mail.html.contains("evil"));
        assert!(mail.text.contains("https://id.example.com/account/"));
    }
}

#[tokio::test]
async fn looking_at_a_link_uses_it_not() {
    let t = TestApp::start().await;
    let mailed = mailed(&t, MEMBER).await;
    for method in [Method::GET, Method::HEAD] {
        let path = format!("/api/auth/link/confirm?token={}", mailed.token);
        let answer = t.anonymous().request_without_body(&method, &path).await;
        assert_eq!(answer.status(), 405);
    }
    confirm(&t, mailed.by_link()).await.expect(200);
}

#[tokio::test]
async fn nothing_of_what_was_mailed_or_kept_is_in_the_database() {
    let t = TestApp::start().await;
    let mailed = mailed(&t, MEMBER).await;
    confirm(&t, mailed.by_code()).await.expect(200);
    let everything = t
        .sql(
            "select jsonb_build_array(
              (select jsonb_agg(to_jsonb(one_time_secrets)) from one_time_secrets),
              (select jsonb_agg(to_jsonb(audit_logs)) from audit_logs),
              (select jsonb_agg(to_jsonb(mails)) from mails)
            )",
            &[],
        )
        .await
        .to_string();
    for secret in [&mailed.token, &mailed.code, &mailed.request] {
        assert!(!everything.contains(secret.as_str()));
    }
}

#[tokio::test]
async fn asking_and_guessing_are_limited() {
    let t = TestApp::start().await;
    for _ in 0..10 {
        ask(&t, MEMBER).await.expect(202);
    }
    assert_eq!(ask(&t, MEMBER).await.problem(429), "too-many-requests");
    for _ in 0..10 {
        ask(&t, "nobody@example.com").await.expect(202);
    }
    let answer = ask(&t, "nobody@example.com").await;
    assert_eq!(answer.problem(429), "too-many-requests");
    let form = json!({ "email": MEMBER, "code": "nonsense", "requestToken": stranger() });
    let mut last = 0;
    for _ in 0..6 {
        last = confirm(&t, form.clone()).await.status();
    }
    assert_eq!(last, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_sign_in_with_the_same_link_or_code_one_does() {
    let t = TestApp::with(&[(
        "USHER_LIMITS",
        "mail-address=1000000/1,mail-recipient=1000000/1,everybody=1000000/1",
    )])
    .await;
    for round in 0..rounds(ROUNDS) {
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
                let session =
                    accounts::sign_in(&connection, &origin(), &app.secret, &redemption).await;
                session.unwrap().is_some()
            }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
    let begun = "select count(*) from sessions where methods = '{email}'";
    let expected = i64::try_from(rounds(ROUNDS)).unwrap();
    assert_eq!(t.count(begun).await, expected);
    let entries = "select count(*) from audit_logs where action = 'LOGIN'";
    assert_eq!(t.count(entries).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_first_and_begins_the_session_afterwards_begins_more_than_one() {
    let t = TestApp::start().await;
    mailed(&t, MEMBER).await;
    can_be_lost(
        &t,
        "alter table one_time_secrets disable trigger user; update one_time_secrets set used_at = null",
        "select used_at is null from one_time_secrets",
        "insert into sessions (id, user_id, refresh_hash, expires_at, methods)
          values (gen_random_uuid(), 4, sha256(gen_random_uuid()::text::bytea), now() + interval '1 day', '{email}');
        update one_time_secrets set used_at = now()",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivation_at_the_same_time_leaves_no_session() {
    let t = TestApp::with(&[(
        "USHER_LIMITS",
        "mail-address=1000000/1,mail-recipient=1000000/1,secret-address=1000000/1",
    )])
    .await;
    let path = format!("/api/users/{}", Person::Member.id());
    for _ in 0..20 {
        let mailed = mailed(&t, MEMBER).await;
        let admin = t.admin();
        let off = admin.patch(&path, json!({ "isActive": false }));
        let (entered, off) = tokio::join!(confirm(&t, mailed.by_link()), off);
        off.expect(200);
        assert!(matches!(entered.status(), 200 | 400), "{}", entered.text());
        let alive = "select count(*) from sessions where user_id = 4 and ended_at is null";
        assert_eq!(t.count(alive).await, 0);
        admin
            .patch(&path, json!({ "isActive": true }))
            .await
            .expect(200);
    }
}
