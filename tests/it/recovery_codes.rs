//! What the owner of an account is told when a recovery code was used.

use serde_json::json;
use usher_tests::{Answer, PASSWORD, Person, TestApp};

use crate::{
    challenges::{PATH, enrolled, half, meet},
    mail_sign_in,
};

const PROVE: &str = "/api/auth/reauthenticate";

/// Returns how often the owner was told, and the newest text.
async fn told(t: &TestApp) -> (usize, String) {
    let mails = t.mails().await;
    let about = mails
        .iter()
        .filter(|mail| mail.text.contains("recovery codes of your account"));
    let about: Vec<_> = about.collect();
    assert!(about.iter().all(|mail| mail.to == Person::Member.email()));
    let newest = about.last().map(|mail| mail.text.clone());
    (about.len(), newest.unwrap_or_default())
}

async fn prove(t: &TestApp, code: &str) -> Answer {
    let form = json!({ "password": PASSWORD, "code": code });
    t.member().post(PROVE, form).await
}

#[tokio::test]
async fn the_owner_is_told_of_a_recovery_code_with_how_many_are_left() {
    let (t, enrolled) = enrolled().await;
    let question = half(&t, Person::Member).await;
    meet(&t, &question, &enrolled.codes[0]).await.expect(200);
    let (count, text) = told(&t).await;
    assert_eq!(count, 1);
    assert!(text.contains("Recovery codes that are left: 9\n"), "{text}");
    prove(&t, &enrolled.codes[1]).await.expect(200);
    let (count, text) = told(&t).await;
    assert_eq!(count, 2);
    assert!(text.contains("Recovery codes that are left: 8\n"), "{text}");
    let mailed = mail_sign_in::mailed(&t, "member@example.com").await;
    let question = mail_sign_in::confirm(&t, mailed.by_link()).await.body();
    let question = question["challengeToken"].as_str().unwrap();
    meet(&t, question, &enrolled.codes[2]).await.expect(200);
    let (count, text) = told(&t).await;
    assert_eq!(count, 3);
    assert!(text.contains("left: 7\n") && !text.contains(&enrolled.codes[2]));
    let standing = t.member().get("/api/me/factors").await.expect(200);
    assert_eq!(standing["recoveryCodesLeft"], 7);
}

#[tokio::test]
async fn nobody_is_told_of_a_code_of_the_app_or_one_that_is_not_good() {
    let (t, enrolled) = enrolled().await;
    let question = half(&t, Person::Member).await;
    for wrong in ["abcd-efgh-ijkl-mnop", "nonsense"] {
        meet(&t, &question, wrong).await.problem(401);
        prove(&t, wrong).await.problem(401);
    }
    meet(&t, &question, &enrolled.code(&t).await)
        .await
        .expect(200);
    prove(&t, &enrolled.code(&t).await).await.expect(200);
    assert_eq!(told(&t).await.0, 0);
    let question = half(&t, Person::Member).await;
    meet(&t, &question, &enrolled.codes[0]).await.expect(200);
    let question = half(&t, Person::Member).await;
    meet(&t, &question, &enrolled.codes[0]).await.problem(401);
    prove(&t, &enrolled.codes[0]).await.problem(401);
    assert_eq!(told(&t).await.0, 1);
}

#[tokio::test]
async fn the_owner_is_told_once_of_a_code_that_is_sent_again() {
    let (t, enrolled) = enrolled().await;
    let question = half(&t, Person::Member).await;
    let keyed = t.anonymous().with_header("idempotency-key", "k");
    let form = json!({ "challengeToken": question, "code": enrolled.codes[0] });
    for _ in 0..2 {
        keyed.post(PATH, form.clone()).await.expect(200);
    }
    let keyed = t.member().with_header("idempotency-key", "p");
    let form = json!({ "password": PASSWORD, "code": enrolled.codes[1] });
    for _ in 0..2 {
        keyed.post(PROVE, form.clone()).await.expect(200);
    }
    assert_eq!(told(&t).await.0, 2);
}

#[tokio::test]
async fn the_owner_is_told_in_the_language_of_who_used_it() {
    let (t, enrolled) = enrolled().await;
    let question = half(&t, Person::Member).await;
    let german = t.anonymous().with_header("accept-language", "de");
    let form = json!({ "challengeToken": question, "code": enrolled.codes[0] });
    german.post(PATH, form).await.expect(200);
    let mails = t.mails().await;
    let mail = mails.last().unwrap();
    assert_eq!(mail.subject, "Ein Wiederherstellungscode wurde benutzt");
    for part in [&mail.text, &mail.html] {
        assert!(part.contains("Verbleibende Wiederherstellungscodes: "));
        assert!(part.contains('9'), "{part}");
    }
}
