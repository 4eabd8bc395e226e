//! Sixteen at once with the same one-time secret: one gets there. Who looks first and writes afterwards lets more through.

use std::{future::Future, sync::Arc};

use serde_json::json;
use tokio::task::JoinSet;
use usher_core::{
    Author,
    accounts::{self, NewAccount, NewPassword},
    limits::Charge,
    mails::Mail,
    one_time::{OneTime, Shown, Token},
    passwords::PasswordHash,
};
use usher_domain::{Email, Language, Message, Name, Origin, Purpose, RequestId, Template};
use usher_tests::{TestApp, connect};

/// How many try at once.
pub(crate) const MANY: usize = 16;
/// How often; more with `USHER_RACES=1000`.
const ROUNDS: usize = 50;

#[expect(
    clippy::disallowed_methods,
    reason = "asks for a longer test, configures nothing"
)]
pub(crate) fn rounds() -> usize {
    let wanted = std::env::var("USHER_RACES").ok();
    wanted
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS)
}

pub(crate) fn origin() -> Origin {
    Origin {
        ip: None,
        user_agent: None,
        request_id: RequestId::unknown(),
    }
}

/// Runs the same thing many times at once, and returns how often it was successful.
pub(crate) async fn winners<F>(attempt: impl Fn() -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(MANY));
    let mut tasks = JoinSet::new();
    for _ in 0..MANY {
        let (start, attempt) = (Arc::clone(&start), attempt());
        tasks.spawn(async move {
            start.wait().await;
            attempt.await
        });
    }
    let outcomes = tasks.join_all().await;
    outcomes.into_iter().filter(|is_winner| *is_winner).count()
}

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
        t.execute("update users set email_verified_at = null where is_self_registered")
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
    for round in 0..rounds() {
        let one_time = issue(&t, Purpose::VerifyEmail, &email).await;
        let (app, token) = (t.app.clone(), one_time.token.expose());
        // Both of the same secret, half and half.
        let (code, email) = (one_time.code.unwrap().to_string(), email.clone());
        let number = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = winners(|| {
            let (app, token, code) = (app.clone(), token.clone(), code.clone());
            let (email, number) = (email.clone(), Arc::clone(&number));
            async move {
                let is_code = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 4 == 0;
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
    assert_eq!(verified.count(), rounds());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_reset_with_the_same_link_one_does() {
    let t = TestApp::start().await;
    let email = Email::parse("member@example.com").unwrap();
    for round in 0..rounds() {
        let one_time = issue(&t, Purpose::ResetPassword, &email).await;
        let token = one_time.token.expose();
        let count = winners(|| {
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
    let both = i64::try_from(2 * rounds()).unwrap();
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
    let mut clients = Vec::new();
    for _ in 0..MANY {
        clients.push(Arc::new(connect(t.url()).await));
    }
    let mut most = 0;
    for _ in 0..rounds() {
        t.execute("alter table one_time_secrets disable trigger user; update one_time_secrets set used_at = null").await;
        let next = std::sync::atomic::AtomicUsize::new(0);
        let count = winners(|| {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let client = Arc::clone(&clients[number]);
            async move {
                let look = "select used_at is null from one_time_secrets";
                let is_good: bool = client.query_one(look, &[]).await.unwrap().get(0);
                if is_good {
                    let write = "update one_time_secrets set used_at = now()";
                    client.execute(write, &[]).await.unwrap();
                }
                is_good
            }
        })
        .await;
        most = most.max(count);
    }
    assert!(
        most > 1,
        "the race cannot be lost, so that winning it says nothing"
    );
}
