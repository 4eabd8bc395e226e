//! Making an account for oneself: who may, what is answered, and what it takes to sign in.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, PASSWORD, TestApp};

pub(crate) const NEW: &str = "ada@example.com";

pub(crate) async fn register(t: &TestApp, email: &str) -> Answer {
    let form = json!({ "name": "Ada", "email": email, "password": PASSWORD });
    t.anonymous().post("/api/auth/register", form).await
}

pub(crate) async fn verify(t: &TestApp, form: Value) -> Answer {
    t.anonymous().post("/api/auth/verify-email", form).await
}

/// Returns the token of the newest mail.
pub(crate) async fn newest_token(t: &TestApp) -> String {
    let mails = t.mails().await;
    let text = &mails.last().unwrap().text;
    let token = text.split("#token=").nth(1).unwrap();
    token.split_whitespace().next().unwrap().to_owned()
}

/// Returns the code of the newest mail.
pub(crate) async fn newest_code(t: &TestApp) -> String {
    let mails = t.mails().await;
    let text = &mails.last().unwrap().text;
    let is_code = |line: &&str| line.len() == 8 && line.bytes().all(|byte| byte.is_ascii_digit());
    text.lines().find(is_code).unwrap().to_owned()
}

/// Returns an answer without what is different in each.
pub(crate) fn bare(answer: &Answer) -> String {
    let headers = ["content-type", "cache-control", "vary", "content-length"];
    let headers = headers.map(|name| answer.header(name).to_owned());
    format!("{} {headers:?} {}", answer.status(), answer.text())
}

#[tokio::test]
async fn a_new_user_signs_in_after_the_address_is_verified() {
    let t = TestApp::start().await;
    let accepted = register(&t, NEW).await.expect(202);
    assert_eq!(accepted, json!({ "status": "accepted" }));
    let refused = t.anonymous().sign_in(NEW, PASSWORD).await;
    assert_eq!(refused.problem(403), "email-unverified");
    let refused = t.anonymous().sign_in(NEW, "another password").await;
    assert_eq!(refused.problem(401), "invalid-credentials");
    let token = newest_token(&t).await;
    verify(&t, json!({ "token": token })).await.expect(204);
    let session = t.anonymous().sign_in(NEW, PASSWORD).await.expect(200);
    assert_eq!(session["user"]["roles"], json!(["user"]));
    let again = verify(&t, json!({ "token": token })).await;
    assert_eq!(again.problem(400), "invalid-secret");
    let actions = t.audit().await;
    let actions: Vec<_> = actions
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "REGISTER",
            "LOGIN_FAILED",
            "LOGIN_FAILED",
            "EMAIL_VERIFY",
            "LOGIN",
            "SECRET_REFUSED"
        ]
    );
}

#[tokio::test]
async fn a_code_does_what_the_link_does() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let code = newest_code(&t).await;
    verify(&t, json!({ "email": NEW, "code": code }))
        .await
        .expect(204);
    t.anonymous().sign_in(NEW, PASSWORD).await.expect(200);
    let (token, form) = (
        newest_token(&t).await,
        json!({ "email": NEW, "code": code }),
    );
    for form in [form, json!({ "token": token })] {
        assert_eq!(verify(&t, form).await.problem(400), "invalid-secret");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_answered_alike_and_its_owner_is_told() {
    let t = TestApp::start().await;
    let fresh = register(&t, NEW).await;
    let before = t
        .sql("select to_jsonb(users) from users where id = 4", &[])
        .await;
    let taken = register(&t, "Member@Example.com").await;
    assert_eq!(bare(&fresh), bare(&taken));
    let now = t
        .sql("select to_jsonb(users) from users where id = 4", &[])
        .await;
    assert_eq!(before, now);
    let mails = t.mails().await;
    let told: Vec<_> = mails
        .iter()
        .map(|mail| (mail.to.as_str(), mail.subject.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (NEW, "Confirm your e-mail address"),
            ("member@example.com", "You have an account already")
        ]
    );
    assert!(!mails[1].text.contains("#token="));
    let good = "select count(*) from one_time_secrets where user_id is not null";
    assert_eq!(
        t.count(good).await,
        1,
        "no secret is good for the account that is there"
    );
    t.anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn of_an_account_that_nobody_verified_the_newest_password_counts() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let first = newest_token(&t).await;
    let form = json!({ "name": "Ada", "email": NEW, "password": "quite another password" });
    t.anonymous()
        .post("/api/auth/register", form)
        .await
        .expect(202);
    assert_eq!(
        verify(&t, json!({ "token": first })).await.problem(400),
        "invalid-secret"
    );
    let second = newest_token(&t).await;
    verify(&t, json!({ "token": second })).await.expect(204);
    t.anonymous().sign_in(NEW, PASSWORD).await.problem(401);
    t.anonymous()
        .sign_in(NEW, "quite another password")
        .await
        .expect(200);
}

#[tokio::test]
async fn who_may_register_is_configured() {
    for (mode, email, status) in [
        ("closed", NEW, 403),
        ("", NEW, 403),
        ("invited", NEW, 403),
        ("domains:example.com", NEW, 202),
        ("domains:example.com", "ada@example.org", 403),
        ("domains:example.com", "ada@sub.example.com", 403),
        ("open", "ada@example.org", 202),
    ] {
        let t = TestApp::with(&[("USHER_SIGN_UP", mode)]).await;
        let answer = register(&t, email).await;
        assert_eq!(answer.status(), status, "{mode} {email}");
        let made = t.count("select count(*) from users where id > 5").await;
        assert_eq!(
            (made == 1, t.mails().await.len() == 1),
            (status == 202, status == 202)
        );
        if status == 403 {
            assert_eq!(answer.problem(403), "sign-up-closed");
        }
    }
}

#[tokio::test]
async fn another_mail_is_sent_to_those_alone_who_need_one_and_is_answered_alike() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    t.execute("update users set email_verified_at = now() where id = 4")
        .await;
    let mut answers = Vec::new();
    for email in [
        NEW,
        "member@example.com",
        "nobody@example.com",
        "locked@example.com",
    ] {
        let form = json!({ "email": email });
        let answer = t.anonymous().post("/api/auth/resend", form).await;
        answers.push(bare(&answer));
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    let rows = "select count(*) from mails";
    assert_eq!(
        t.count(rows).await,
        5,
        "the database does the same for all of them"
    );
    let mails = t.mails().await;
    let to: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, [NEW, NEW]);
}

#[tokio::test]
async fn looking_at_a_link_uses_it_not() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let token = newest_token(&t).await;
    for method in [Method::GET, Method::HEAD] {
        let path = format!("/api/auth/verify-email?token={token}");
        let answer = t.anonymous().request_without_body(&method, &path).await;
        assert_eq!(answer.status(), 405);
    }
    verify(&t, json!({ "token": token })).await.expect(204);
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_done_once() {
    let t = TestApp::start().await;
    let anonymous = t.anonymous().with_header("idempotency-key", "k");
    let form = json!({ "name": "Ada", "email": NEW, "password": PASSWORD });
    for _ in 0..2 {
        anonymous
            .post("/api/auth/register", form.clone())
            .await
            .expect(202);
    }
    assert_eq!(t.mails().await.len(), 1);
    let forms = [
        json!({ "token": newest_token(&t).await }),
        json!({ "email": "bob@example.com", "code": "00000000" }),
    ];
    for _ in 0..2 {
        anonymous
            .post("/api/auth/verify-email", forms[0].clone())
            .await
            .expect(204);
    }
    let other = anonymous
        .post("/api/auth/verify-email", forms[1].clone())
        .await;
    assert_eq!(
        other.problem(400),
        "invalid-secret",
        "it is the key of somebody else"
    );
}

#[tokio::test]
async fn another_address_has_to_be_verified_anew() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let (token, path) = (newest_token(&t).await, "/api/users/6");
    let change = json!({ "email": "ada@example.org" });
    t.admin().patch(path, change).await.expect(200);
    let late = verify(&t, json!({ "token": token })).await;
    assert_eq!(
        late.problem(400),
        "invalid-secret",
        "it was sent to another address"
    );
    let form = json!({ "email": "ada@example.org" });
    t.anonymous()
        .post("/api/auth/resend", form)
        .await
        .expect(202);
    let token = newest_token(&t).await;
    verify(&t, json!({ "token": token })).await.expect(204);
    t.anonymous()
        .sign_in("ada@example.org", PASSWORD)
        .await
        .expect(200);
    t.admin()
        .patch(path, json!({ "email": NEW }))
        .await
        .expect(200);
    let refused = t.anonymous().sign_in(NEW, PASSWORD).await;
    assert_eq!(refused.problem(403), "email-unverified");
}

#[tokio::test]
async fn who_sends_neither_a_token_nor_a_code_is_told_what_is_missing() {
    let t = TestApp::start().await;
    for form in [
        json!({}),
        json!({ "email": NEW }),
        json!({ "code": "12345678" }),
        json!({ "token": "x", "email": NEW, "code": "12345678" }),
    ] {
        assert_eq!(verify(&t, form).await.problem(400), "validation-failed");
    }
}
