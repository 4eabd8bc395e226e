//! Sixteen at once with the same one-time secret: one gets there. Who looks first and writes afterwards lets more through.

use serde_json::json;
use usher_core::{
    Author,
    accounts::{self, NewAccount, NewPassword},
    limits::Charge,
    mails::Mail,
    one_time::{OneTime, Shown, Token},
    passwords::PasswordHash,
};
use usher_domain::{Email, Language, Message, Name, Origin, Purpose, RequestId, Template};
use usher_tests::TestApp;

use crate::sixteen::{can_be_lost, rounds, winners};

pub(crate) fn origin() -> Origin {
    Origin {
        ip: None,
        user_agent: None,
        request_id: RequestId::unknown(),
    }
}

/// How often they try, usually.
const ROUNDS: usize = 50;

/// Makes a secret of a purpose for a user, the newest one.
async fn issue(t: &TestApp, purpose: Purpose, email: &Email) -> OneTime {
    let one_time = OneTime::generate(&t.app.secret, purpose, email).unwrap();
    let message = message(email);
    let mail = Mail::or(&t.app.secret, &message, &message).unwrap();
    let connection = t.app.database.connection().await.unwrap();
    let (origin, hash) = (origin(), hash());
    let author = Author::nobody(&origin);
    if purpose == Purpose::VerifyEmail {
        // So that it may register once more.
        t.execute(
            "update users set email_verified_at = null where is_self_registered;
            update users set was_verified = false",
        )
        .await;
        let new = NewAccount {
            name: &Name::parse("Ada").unwrap(),
            email,
            password: &hash,
        };
        accounts::register(&connection, author, &new, &one_time, &mail)
            .await
            .unwrap();
    } else {
        let wish = accounts::Wish::Reset;
        accounts::ask(&connection, author, wish, email, (&one_time, &mail))
            .await
            .unwrap();
    }
    one_time
}

fn message(email: &Email) -> Message {
    Message {
        recipient: email.clone(),
        template: Template::PasswordChanged,
        language: Language::English,
        values: Vec::new(),
    }
}

fn hash() -> PasswordHash {
    let text = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
    PasswordHash::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_verify_with_the_same_link_or_code_one_does() {
    let t = TestApp::start().await;
    let email = Email::parse("ada@example.com").unwrap();
    for round in 0..rounds(ROUNDS) {
        let one_time = issue(&t, Purpose::VerifyEmail, &email).await;
        let (app, token) = (t.app.clone(), one_time.token.expose());
        // Both of the same secret, half and half.
        let (code, email) = (one_time.code.unwrap().to_string(), email.clone());
        let count = winners(|number| {
            let (app, token, code) = (app.clone(), token.clone(), code.clone());
            let email = email.clone();
            async move {
                let is_code = number % 4 == 0;
                let shown = if is_code {
                    Shown::code(&app.secret, Purpose::VerifyEmail, &email, &code)
                } else {
                    Shown::token(Purpose::VerifyEmail, &Token::parse(&token).unwrap())
                };
                let connection = app.database.connection().await.unwrap();
                let origin = origin();
                let author = Author::nobody(&origin);
                let charge = Charge::new(&app.secret, &app.limits);
                shown.count_try(&connection).await.unwrap()
                    && accounts::verify(&connection, author, &shown, &charge)
                        .await
                        .unwrap()
            }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
    let entries = t.audit().await;
    let verified = entries
        .iter()
        .filter(|entry| entry["action"] == "EMAIL_VERIFY");
    assert_eq!(verified.count(), rounds(ROUNDS));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_reset_with_the_same_link_one_does() {
    let t = TestApp::start().await;
    let email = Email::parse("member@example.com").unwrap();
    for round in 0..rounds(ROUNDS) {
        let one_time = issue(&t, Purpose::ResetPassword, &email).await;
        let token = one_time.token.expose();
        let count = winners(|_| {
            let (app, token, email) = (t.app.clone(), token.clone(), email.clone());
            async move {
                let shown = Shown::token(Purpose::ResetPassword, &Token::parse(&token).unwrap());
                let mail = Mail::new(&app.secret, &message(&email)).unwrap();
                let connection = app.database.connection().await.unwrap();
                let origin = origin();
                let author = Author::nobody(&origin);
                let hash = hash();
                let charge = Charge::new(&app.secret, &app.limits);
                let new = NewPassword {
                    password: &hash,
                    is_short: false,
                };
                let told = (&mail, &charge);
                let reset = accounts::reset(&connection, author, &shown, new, told);
                reset.await.unwrap()
            }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
    let told = "select count(*) from mails where user_id = 4";
    let both = i64::try_from(2 * rounds(ROUNDS)).unwrap();
    assert_eq!(t.count(told).await, both, "the owner is told once for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_first_and_writes_afterwards_lets_more_than_one_through() {
    let t = TestApp::start().await;
    let form = json!({ "email": "member@example.com" });
    t.anonymous()
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    can_be_lost(
        &t,
        "alter table one_time_secrets disable trigger user; update one_time_secrets set used_at = null",
        "select used_at is null from one_time_secrets",
        "update one_time_secrets set used_at = now()",
    )
    .await;
}
