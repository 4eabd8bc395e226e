//! Signing in by mail: with a link or a code, on the device that asked for it.

use serde_json::{Value, json};
use usher_core::one_time::{Shown, Token};
use usher_domain::{Email, Purpose};
use usher_http::App;
use usher_tests::{Answer, PASSWORD, TestApp};

use crate::accounts::{NEW, bare, newest_code, newest_token, register};

pub(crate) const MEMBER: &str = "member@example.com";
const ASK: &str = "/api/auth/link";
const CONFIRM: &str = "/api/auth/link/confirm";

/// What was mailed, and what the device keeps.
pub(crate) struct Mailed {
    pub(crate) email: String,
    pub(crate) token: String,
    pub(crate) code: String,
    pub(crate) request: String,
}

impl Mailed {
    pub(crate) fn by_link(&self) -> Value {
        json!({ "token": self.token, "requestToken": self.request })
    }

    pub(crate) fn by_code(&self) -> Value {
        json!({ "email": self.email, "code": self.code, "requestToken": self.request })
    }

    /// What is shown to the core, below HTTP and its limits.
    pub(crate) fn shown(&self, app: &App, is_code: bool) -> Shown {
        let request = Token::parse(&self.request).unwrap();
        if is_code {
            let email = Email::parse(&self.email).unwrap();
            let typed = (self.code.as_str(), &request);
            Shown::bound_code(&app.secret, Purpose::SignIn, &email, typed)
        } else {
            let token = Token::parse(&self.token).unwrap();
            Shown::bound_token(Purpose::SignIn, &token, &request)
        }
    }
}

pub(crate) async fn ask(t: &TestApp, email: &str) -> Answer {
    t.anonymous().post(ASK, json!({ "email": email })).await
}

pub(crate) async fn confirm(t: &TestApp, form: Value) -> Answer {
    t.anonymous().post(CONFIRM, form).await
}

/// Asks for a mail to somebody who has an account.
pub(crate) async fn mailed(t: &TestApp, email: &str) -> Mailed {
    let kept = ask(t, email).await.expect(202);
    Mailed {
        email: email.to_owned(),
        token: newest_token(t).await,
        code: newest_code(t).await,
        request: kept["requestToken"].as_str().unwrap().to_owned(),
    }
}

/// Returns the claims of an access token.
fn claims(session: &Value) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let token = session["accessToken"].as_str().unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

/// Returns an answer to a request, whose token is another one each time and always as long.
fn alike(answer: &Answer) -> String {
    let token = answer.expect(202)["requestToken"].clone();
    let token = token.as_str().unwrap();
    assert_eq!(token.len(), 43);
    bare(answer).replace(token, "…")
}

#[tokio::test]
async fn a_link_signs_in_and_so_does_a_code() {
    let t = TestApp::start().await;
    let link = mailed(&t, MEMBER).await;
    let by_link = confirm(&t, link.by_link()).await.expect(200);
    let code = mailed(&t, "Member@Example.com").await;
    let by_code = confirm(&t, code.by_code()).await.expect(200);
    for session in [by_link, by_code] {
        assert_eq!(session["user"]["email"], MEMBER);
        assert_eq!(claims(&session)["amr"], json!(["email"]));
        let token = session["accessToken"].as_str().unwrap();
        let caller = t.anonymous().with_token(token);
        caller.get("/api/me").await.expect(200);
        let refresh = json!({ "refreshToken": session["refreshToken"] });
        let next = t.anonymous().post("/api/auth/refresh", refresh).await;
        assert_eq!(claims(&next.expect(200))["amr"], json!(["email"]));
    }
    let begun = "select count(*) from sessions where methods = '{email}'";
    assert_eq!(t.count(begun).await, 2);
    let entries = t.audit().await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str().unwrap(),
                entry["entity_id"].clone(),
            )
        })
        .filter(|(action, _)| *action != "REFRESH")
        .collect();
    let one = [("LOGIN_REQUEST", json!(4)), ("LOGIN", json!(4))];
    assert_eq!(told, [one.clone(), one].concat());
}

#[tokio::test]
async fn the_mail_is_written_in_the_language_of_the_caller() {
    let t = TestApp::start().await;
    ask(&t, MEMBER).await.expect(202);
    let german = t.anonymous().with_header("accept-language", "de");
    let form = json!({ "email": MEMBER });
    german.post(ASK, form).await.expect(202);
    let mails = t.mails().await;
    let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects, ["Sign in", "Anmelden"]);
    for mail in mails {
        let link = "https://id.example.com/account/sign-in.html#token=";
        assert!(mail.text.contains(link) && mail.html.contains(link));
    }
}

#[tokio::test]
async fn it_is_off_by_default_and_then_there_is_nothing_there() {
    for value in ["", "off"] {
        let t = TestApp::with(&[("USHER_MAIL_SIGN_IN", value)]).await;
        let form = json!({ "token": "x", "requestToken": "x" });
        for (path, form) in [
            (ASK, json!({ "email": MEMBER })),
            (CONFIRM, form),
            (ASK, json!(7)),
        ] {
            let answer = t.anonymous().post(path, form).await;
            assert_eq!(answer.problem(404), "not-found");
        }
        assert!(t.mails().await.is_empty());
        assert_eq!(t.count("select count(*) from one_time_secrets").await, 0);
        assert!(t.audit().await.is_empty());
    }
}

#[tokio::test]
async fn what_was_mailed_is_void_where_it_was_switched_off_meanwhile() {
    let t = TestApp::start().await;
    let mailed = mailed(&t, MEMBER).await;
    let (_, off) = t.beside(&[("USHER_MAIL_SIGN_IN", "off")]);
    let answer = off.post(CONFIRM, mailed.by_link()).await;
    assert_eq!(answer.problem(404), "not-found");
    confirm(&t, mailed.by_link()).await.expect(200);
}

#[tokio::test]
async fn who_has_an_account_is_not_told() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    t.execute(
        "insert into users (name, email, deleted_at) values ('Gone', 'gone@example.com', now())",
    )
    .await;
    let before = t.count("select count(*) from mails").await;
    let addresses = [
        MEMBER,
        NEW,
        "nobody@example.com",
        "locked@example.com",
        "gone@example.com",
    ];
    let mut answers = Vec::new();
    for email in addresses {
        answers.push(alike(&ask(&t, email).await));
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    let rows = "select count(*) from one_time_secrets where purpose = 'sign-in'";
    assert_eq!(t.count(rows).await, 5);
    assert_eq!(t.count("select count(*) from mails").await, before + 5);
    let mails = t.mails().await;
    let to = mails.iter().filter(|mail| mail.subject == "Sign in");
    let to: Vec<_> = to.map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, [MEMBER, NEW]);
}

#[tokio::test]
async fn no_account_is_made() {
    let t = TestApp::start().await;
    let kept = ask(&t, "nobody@example.com").await.expect(202);
    let form = json!({
        "email": "nobody@example.com",
        "code": "00000000",
        "requestToken": kept["requestToken"],
    });
    assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
    assert_eq!(t.count("select count(*) from users").await, 5);
}

#[tokio::test]
async fn an_account_without_a_password_signs_in() {
    let t = TestApp::start().await;
    t.execute("update users set password = null where id = 4")
        .await;
    let mailed = mailed(&t, MEMBER).await;
    confirm(&t, mailed.by_link()).await.expect(200);
}

#[tokio::test]
async fn who_reads_the_mail_has_verified_the_address() {
    let t = TestApp::start().await;
    let verified = "select count(*) from users where id = 4 and email_verified_at is not null";
    assert_eq!(t.count(verified).await, 0);
    let mailed = mailed(&t, MEMBER).await;
    confirm(&t, mailed.by_code()).await.expect(200);
    assert_eq!(t.count(verified).await, 1);
    t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_secret_is_good_once_and_for_ten_minutes() {
    let t = TestApp::start().await;
    let first = mailed(&t, MEMBER).await;
    let minutes =
        "select extract(epoch from expires_at - created_at)::bigint / 60 from one_time_secrets";
    assert_eq!(t.count(minutes).await, 10);
    let minutes = minutes.replace("expires_at -", "code_expires_at -");
    assert_eq!(t.count(&minutes).await, 10);
    confirm(&t, first.by_link()).await.expect(200);
    for form in [first.by_link(), first.by_code()] {
        assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
    }
    let second = mailed(&t, MEMBER).await;
    t.execute(
        "update one_time_secrets
        set
          created_at = now() - interval '11 minutes',
          expires_at = now() - interval '1 second',
          code_expires_at = now() - interval '1 second'",
    )
    .await;
    for form in [second.by_link(), second.by_code()] {
        assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
    }
}

#[tokio::test]
async fn a_newer_mail_ends_the_older_one() {
    let t = TestApp::start().await;
    let (older, newer) = (mailed(&t, MEMBER).await, mailed(&t, MEMBER).await);
    for form in [older.by_link(), older.by_code()] {
        assert_eq!(confirm(&t, form).await.problem(400), "invalid-secret");
    }
    confirm(&t, newer.by_link()).await.expect(200);
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_alike_for_everybody() {
    let t = TestApp::start().await;
    let keyed = t.anonymous().with_header("idempotency-key", "k");
    for email in [MEMBER, "nobody@example.com"] {
        let form = json!({ "email": email });
        let first = keyed.post(ASK, form.clone()).await;
        let again = keyed.post(ASK, form).await;
        assert_eq!(first.expect(202), again.expect(202), "{email}");
    }
    assert_eq!(t.mails().await.len(), 1);
    let kept = keyed
        .post(ASK, json!({ "email": MEMBER }))
        .await
        .expect(202);
    let mailed = Mailed {
        email: MEMBER.to_owned(),
        token: newest_token(&t).await,
        code: newest_code(&t).await,
        request: kept["requestToken"].as_str().unwrap().to_owned(),
    };
    let other = keyed.post(CONFIRM, mailed.by_code()).await;
    assert_eq!(other.problem(422), "idempotency-key-reused");
    let keyed = t.anonymous().with_header("idempotency-key", "another");
    let first = keyed.post(CONFIRM, mailed.by_code()).await.expect(200);
    let again = keyed.post(CONFIRM, mailed.by_code()).await.expect(200);
    assert_eq!(first["refreshToken"], again["refreshToken"]);
    let sessions = "select count(*) from sessions where methods = '{email}'";
    assert_eq!(t.count(sessions).await, 1);
    let other = keyed.post(CONFIRM, mailed.by_link()).await;
    assert_eq!(
        other.problem(400),
        "invalid-secret",
        "it is the key of another sender"
    );
}

#[tokio::test]
async fn who_shows_too_little_or_too_much_is_told() {
    let t = TestApp::start().await;
    let mailed = mailed(&t, MEMBER).await;
    for form in [
        json!({ "token": mailed.token }),
        json!({ "email": MEMBER, "code": mailed.code }),
        json!({ "requestToken": mailed.request }),
        json!({ "email": MEMBER, "requestToken": mailed.request }),
        json!({ "token": mailed.token, "email": MEMBER, "code": mailed.code, "requestToken": mailed.request }),
    ] {
        assert_eq!(confirm(&t, form).await.problem(400), "validation-failed");
    }
    confirm(&t, mailed.by_link()).await.expect(200);
}
