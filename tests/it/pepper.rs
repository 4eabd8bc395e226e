//! Stored hashes under a pepper: sealed as their owners sign in, of no use in another row, and changed with its key.

use std::sync::Arc;

use serde_json::json;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{sync::Barrier, task::JoinSet};
use usher_core::passwords::Pepper;
use usher_domain::Clock;
use usher_tests::{Caller, PASSWORD, TestApp};

use crate::accounts::{NEW, bare, newest_token, register, verify};

const ADMIN: &str = "admin@example.com";
const MEMBER: &str = "member@example.com";
const OTHER: &str = "quite another password";

fn key() -> String {
    Pepper::generate().unwrap()
}

async fn peppered() -> TestApp {
    TestApp::with(&[("USHER_PEPPER", &key())]).await
}

fn with_pepper(t: &TestApp, list: &str) -> Caller {
    t.beside(&[("USHER_PEPPER", list)]).1
}

/// A date for a list, this far from now.
fn date(ahead: Duration) -> String {
    let date: OffsetDateTime = Clock::default().now() + ahead;
    date.format(&Rfc3339).unwrap()
}

/// Returns what is stored for an address.
async fn stored(t: &TestApp, email: &str) -> String {
    let statement = "select password from users where email = $1 and deleted_at is null";
    let stored = t.sql(statement, &[&email]).await;
    stored.as_str().unwrap().to_owned()
}

async fn assert_bound_to(t: &TestApp, email: &str, owner: &str) {
    let stored = stored(t, email).await;
    let expected = format!("$usher-v1${owner}$");
    assert!(stored.starts_with(&expected), "{stored}");
}

async fn sign_in(caller: &Caller, email: &str, password: &str) {
    caller.sign_in(email, password).await.expect(200);
}

async fn assert_turned_away(caller: &Caller, email: &str, password: &str) {
    let refused = caller.sign_in(email, password).await;
    assert_eq!(refused.problem(401), "invalid-credentials");
}

/// Copies what is stored for one address into the row of another.
async fn copy(t: &TestApp, from: &str, to: &str) {
    t.execute(&format!(
        "update users
        set password = (select password from users where email = '{from}' and deleted_at is null)
        where email = '{to}'"
    ))
    .await;
}

#[tokio::test]
async fn a_hash_is_sealed_when_its_owner_signs_in_and_stays_so() {
    let t = peppered().await;
    let plain = stored(&t, MEMBER).await;
    assert!(plain.starts_with("$argon2id$"));
    assert_turned_away(&t.anonymous(), MEMBER, OTHER).await;
    assert_eq!(stored(&t, MEMBER).await, plain);
    sign_in(&t.anonymous(), MEMBER, PASSWORD).await;
    let sealed = stored(&t, MEMBER).await;
    assert_bound_to(&t, MEMBER, "user").await;
    sign_in(&t.anonymous(), MEMBER, PASSWORD).await;
    assert_eq!(stored(&t, MEMBER).await, sealed);
    assert_turned_away(&t.anonymous(), MEMBER, OTHER).await;
    // It is the same password: nobody is signed out.
    t.member().get("/api/me").await.expect(200);
}

#[tokio::test]
async fn a_new_account_is_bound_to_its_address_and_then_to_its_id() {
    let t = peppered().await;
    register(&t, NEW).await.expect(202);
    assert_bound_to(&t, NEW, "address").await;
    let token = newest_token(&t).await;
    verify(&t, json!({ "token": token })).await.expect(204);
    sign_in(&t.anonymous(), NEW, PASSWORD).await;
    assert_bound_to(&t, NEW, "user").await;
    sign_in(&t.anonymous(), NEW, PASSWORD).await;
}

#[tokio::test]
async fn every_way_to_set_a_password_seals_it() {
    let t = peppered().await;
    let form = json!({ "currentPassword": PASSWORD, "newPassword": OTHER });
    let changed = t.member().post("/api/auth/password", form).await;
    changed.expect(204);
    assert_bound_to(&t, MEMBER, "user").await;
    sign_in(&t.anonymous(), MEMBER, OTHER).await;
    let form = json!({ "email": MEMBER });
    let asked = t.anonymous().post("/api/auth/password/forgot", form).await;
    asked.expect(202);
    let before = stored(&t, MEMBER).await;
    let form = json!({ "token": newest_token(&t).await, "password": PASSWORD });
    let reset = t.anonymous().post("/api/auth/password/reset", form).await;
    reset.expect(204);
    assert_ne!(stored(&t, MEMBER).await, before);
    assert_bound_to(&t, MEMBER, "user").await;
    sign_in(&t.anonymous(), MEMBER, PASSWORD).await;
    let form = json!({ "name": "Ada", "email": NEW, "password": OTHER });
    t.admin().post("/api/users", form).await.expect(201);
    assert_bound_to(&t, NEW, "address").await;
    sign_in(&t.anonymous(), NEW, OTHER).await;
}

#[tokio::test]
async fn an_address_that_is_changed_before_the_first_sign_in_keeps_its_password() {
    let t = peppered().await;
    let form = json!({ "name": "Ada", "email": NEW, "password": OTHER });
    let created = t.admin().post("/api/users", form).await.expect(201);
    let path = format!("/api/users/{}", created["id"]);
    // Neither another name nor a plain hash is touched by it.
    let form = json!({ "name": "Augusta" });
    t.admin().patch(&path, form).await.expect(200);
    assert_bound_to(&t, NEW, "address").await;
    let moved = "lovelace@example.com";
    let form = json!({ "email": moved });
    t.admin().patch(&path, form).await.expect(200);
    assert_bound_to(&t, moved, "user").await;
    sign_in(&t.anonymous(), moved, OTHER).await;
    let form = json!({ "email": "somebody@example.com" });
    t.admin().patch("/api/users/4", form).await.expect(200);
    sign_in(&t.anonymous(), "somebody@example.com", PASSWORD).await;
}

#[tokio::test]
async fn attack_ones_own_hash_in_the_row_of_an_admin_does_not_open_it() {
    let t = peppered().await;
    let own = |password: &str| json!({ "currentPassword": password, "newPassword": OTHER });
    let form = own(PASSWORD);
    t.member()
        .post("/api/auth/password", form)
        .await
        .expect(204);
    copy(&t, MEMBER, ADMIN).await;
    assert_turned_away(&t.anonymous(), ADMIN, OTHER).await;
    assert_turned_away(&t.anonymous(), ADMIN, PASSWORD).await;
    let challenged = t.admin().post("/api/auth/password", own(OTHER)).await;
    assert_eq!(challenged.problem(400), "validation-failed");
    let form = json!({ "currentPassword": OTHER, "newPassword": "a third password of mine" });
    let challenged = t.admin().post("/api/auth/password", form).await;
    assert_eq!(challenged.problem(403), "wrong-password");
    // Nor that of an account that never signed in.
    let form = json!({ "name": "Eve", "email": NEW, "password": OTHER });
    t.admin().post("/api/users", form).await.expect(201);
    copy(&t, NEW, ADMIN).await;
    assert_turned_away(&t.anonymous(), ADMIN, OTHER).await;
}

#[tokio::test]
async fn without_a_pepper_a_copied_hash_opens_the_row() {
    // The control of the attack above.
    let t = TestApp::start().await;
    let form = json!({ "currentPassword": PASSWORD, "newPassword": OTHER });
    t.member()
        .post("/api/auth/password", form)
        .await
        .expect(204);
    copy(&t, MEMBER, ADMIN).await;
    sign_in(&t.anonymous(), ADMIN, OTHER).await;
}

#[tokio::test]
async fn without_its_key_a_hash_is_wrong_like_any_other_and_a_reset_helps() {
    let t = TestApp::start().await;
    let sealing = with_pepper(&t, &key());
    sign_in(&sealing, MEMBER, PASSWORD).await;
    let other = with_pepper(&t, &key());
    for caller in [&t.anonymous(), &other] {
        let refused = caller.sign_in(MEMBER, PASSWORD).await;
        let unknown = caller.sign_in("nobody@example.com", PASSWORD).await;
        assert_eq!(refused.problem(401), "invalid-credentials");
        let without_id = |answer: &usher_tests::Answer| {
            let id = answer.body()["requestId"].as_str().unwrap().to_owned();
            bare(answer).replace(&id, "")
        };
        assert_eq!(without_id(&refused), without_id(&unknown));
    }
    sign_in(&t.anonymous(), ADMIN, PASSWORD).await;
    let form = json!({ "email": MEMBER });
    let asked = t.anonymous().post("/api/auth/password/forgot", form).await;
    asked.expect(202);
    let form = json!({ "token": newest_token(&t).await, "password": OTHER });
    let reset = t.anonymous().post("/api/auth/password/reset", form).await;
    reset.expect(204);
    sign_in(&t.anonymous(), MEMBER, OTHER).await;
    assert!(stored(&t, MEMBER).await.starts_with("$argon2id$"));
}

#[tokio::test]
async fn a_pepper_is_changed_without_anybody_noticing() {
    let t = TestApp::start().await;
    let (old, new) = (key(), key());
    let id = async || {
        let stored = stored(&t, MEMBER).await;
        stored.split('$').nth(3).unwrap().to_owned()
    };
    sign_in(&with_pepper(&t, &old), MEMBER, PASSWORD).await;
    let first = id().await;
    // The next key is known everywhere before anything is sealed with it.
    let early = with_pepper(&t, &format!("{new}@{},{old}", date(Duration::HOUR)));
    sign_in(&early, MEMBER, PASSWORD).await;
    assert_eq!(id().await, first);
    let late = with_pepper(&t, &format!("{new}@{},{old}", date(-Duration::HOUR)));
    sign_in(&late, MEMBER, PASSWORD).await;
    assert_ne!(id().await, first);
    sign_in(&early, MEMBER, PASSWORD).await;
    sign_in(&with_pepper(&t, &new), MEMBER, PASSWORD).await;
    assert_turned_away(&with_pepper(&t, &old), MEMBER, PASSWORD).await;
}

#[tokio::test]
async fn the_first_pepper_seals_nothing_before_its_date() {
    let t = TestApp::start().await;
    let new = key();
    let early = with_pepper(&t, &format!("{new}@{}", date(Duration::HOUR)));
    sign_in(&early, MEMBER, PASSWORD).await;
    // An instance that has no pepper yet reads it.
    sign_in(&t.anonymous(), MEMBER, PASSWORD).await;
    let late = with_pepper(&t, &format!("{new}@{}", date(-Duration::HOUR)));
    sign_in(&late, MEMBER, PASSWORD).await;
    assert_bound_to(&t, MEMBER, "user").await;
    sign_in(&early, MEMBER, PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_sign_ins_at_once_none_is_told_that_the_password_is_wrong() {
    let t = peppered().await;
    let start = Arc::new(Barrier::new(16));
    let mut people = JoinSet::new();
    for _ in 0..16 {
        let (caller, start) = (t.anonymous(), Arc::clone(&start));
        people.spawn(async move {
            start.wait().await;
            caller.sign_in(MEMBER, PASSWORD).await.status()
        });
    }
    let answers = people.join_all().await;
    assert!(answers.contains(&200), "{answers:?}");
    assert!(
        // So many at once are limited, too.
        answers
            .iter()
            .all(|status| [200, 429, 503].contains(status)),
        "{answers:?}"
    );
    assert_bound_to(&t, MEMBER, "user").await;
    t.execute("delete from credential_tries").await;
    sign_in(&t.anonymous(), MEMBER, PASSWORD).await;
}
