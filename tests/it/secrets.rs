//! One-time secrets: each is good for one thing, for one person, for a while, and only the newest.

use std::pin::Pin;

use serde_json::json;
use usher_tests::{Answer, TestApp};

use crate::accounts::{NEW, newest_code, newest_token, register, verify};

/// The tries of a code alone count, and not those of its address.
const PATIENT: [(&str, &str); 1] = [("USHER_LIMITS", "code=100")];

const BOB: &str = "bob@example.com";

async fn resend(t: &TestApp, email: &str) {
    let form = json!({ "email": email });
    t.anonymous()
        .post("/api/auth/resend", form)
        .await
        .expect(202);
}

async fn by_code(t: &TestApp, email: &str, code: &str) -> Answer {
    verify(t, json!({ "email": email, "code": code })).await
}

#[tokio::test]
async fn a_newer_secret_ends_the_older_one() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let (token, code) = (newest_token(&t).await, newest_code(&t).await);
    resend(&t, NEW).await;
    verify(&t, json!({ "token": token })).await.problem(400);
    by_code(&t, NEW, &code).await.problem(400);
    let token = newest_token(&t).await;
    verify(&t, json!({ "token": token })).await.expect(204);
}

#[tokio::test]
async fn a_secret_is_refused_for_another_purpose() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let verification = newest_token(&t).await;
    let form = json!({ "email": NEW });
    t.anonymous()
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    let reset = newest_token(&t).await;
    let wrong = json!({ "token": verification, "password": "quite another password" });
    let answer = t.anonymous().post("/api/auth/password/reset", wrong).await;
    assert_eq!(answer.problem(400), "invalid-secret");
    let answer = verify(&t, json!({ "token": reset })).await;
    assert_eq!(answer.problem(400), "invalid-secret");
    verify(&t, json!({ "token": verification }))
        .await
        .expect(204);
    let right = json!({ "token": reset, "password": "quite another password" });
    t.anonymous()
        .post("/api/auth/password/reset", right)
        .await
        .expect(204);
}

#[tokio::test]
async fn a_secret_ends_with_its_time_the_code_before_the_link() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let (token, code) = (newest_token(&t).await, newest_code(&t).await);
    let minutes =
        "select extract(epoch from expires_at - created_at)::bigint / 60 from one_time_secrets";
    assert_eq!(t.count(minutes).await, 24 * 60);
    let minutes = minutes.replace("expires_at -", "code_expires_at -");
    assert_eq!(t.count(&minutes).await, 10);
    t.execute("update one_time_secrets set code_expires_at = now() - interval '1 second'")
        .await;
    by_code(&t, NEW, &code).await.problem(400);
    let past = "update one_time_secrets set created_at = now() - interval '2 days', expires_at = now() - interval '1 second'";
    t.execute(past).await;
    verify(&t, json!({ "token": token })).await.problem(400);
    let refused = t
        .refused("update one_time_secrets set expires_at = now() + interval '1 hour'")
        .await;
    assert!(
        refused.contains("neither renewed nor prolonged"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_code_of_somebody_else_is_no_code() {
    let t = TestApp::start().await;
    register(&t, BOB).await.expect(202);
    let code = newest_code(&t).await;
    register(&t, NEW).await.expect(202);
    by_code(&t, NEW, &code).await.problem(400);
    by_code(&t, "nobody@example.com", &code).await.problem(400);
    by_code(&t, BOB, &code).await.expect(204);
}

#[tokio::test]
async fn a_code_has_five_tries_which_are_counted_before_they_are_answered() {
    let t = TestApp::with(&PATIENT).await;
    register(&t, NEW).await.expect(202);
    let (code, token) = (newest_code(&t).await, newest_token(&t).await);
    let wrong = if code == "00000000" {
        "11111111"
    } else {
        "00000000"
    };
    for tries in 1..=5 {
        assert_eq!(by_code(&t, NEW, wrong).await.problem(400), "invalid-secret");
        assert_eq!(
            t.count("select tries::bigint from one_time_secrets").await,
            tries
        );
    }
    assert_eq!(by_code(&t, NEW, &code).await.problem(400), "invalid-secret");
    verify(&t, json!({ "token": token })).await.expect(204);

    register(&t, BOB).await.expect(202);
    let code = newest_code(&t).await;
    for _ in 1..5 {
        by_code(&t, BOB, wrong).await;
    }
    by_code(&t, BOB, &code).await.expect(204);
}

#[tokio::test]
async fn many_guesses_at_once_have_five_tries_together() {
    let t = TestApp::with(&PATIENT).await;
    register(&t, NEW).await.expect(202);
    let code = newest_code(&t).await;
    let wrong = if code == "00000000" {
        "11111111"
    } else {
        "00000000"
    };
    let guesses = (0..16).map(|_| Box::pin(by_code(&t, NEW, wrong)));
    for answer in join(guesses.collect()).await {
        answer.problem(400);
    }
    assert_eq!(
        t.count("select tries::bigint from one_time_secrets").await,
        5
    );
    by_code(&t, NEW, &code).await.problem(400);
}

/// Polls all together.
pub(crate) async fn join<F: Future<Output = Answer>>(mut all: Vec<Pin<Box<F>>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        all.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    answers
}

#[tokio::test]
async fn secrets_that_are_over_are_removed_by_the_scheduler() {
    let t = TestApp::with(&[("CRON_SECRET", usher_tests::CRON_SECRET)]).await;
    register(&t, NEW).await.expect(202);
    register(&t, BOB).await.expect(202);
    t.execute(
        "update one_time_secrets
        set created_at = now() - interval '3 days', expires_at = now() - interval '25 hours'
        where address = 'ada@example.com'",
    )
    .await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(
        t.sql("select string_agg(address, ',') from one_time_secrets", &[])
            .await,
        BOB
    );
}

#[tokio::test]
async fn the_role_of_the_functions_revives_no_secret_and_removes_none_that_is_good() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let token = newest_token(&t).await;
    let app = usher_tests::connect(&t.app_url()).await;
    app.batch_execute("delete from one_time_secrets")
        .await
        .unwrap();
    verify(&t, json!({ "token": token })).await.expect(204);
    for revival in [
        "update one_time_secrets set used_at = null",
        "update one_time_secrets set expires_at = expires_at + interval '1 hour'",
        "update one_time_secrets set purpose = 'reset-password'",
    ] {
        assert!(app.batch_execute(revival).await.is_err(), "{revival}");
    }
    register(&t, BOB).await.expect(202);
    by_code(&t, BOB, "00000000").await.problem(400);
    let more_tries = "update one_time_secrets set tries = 0 where used_at is null";
    assert!(app.batch_execute(more_tries).await.is_err());
}
