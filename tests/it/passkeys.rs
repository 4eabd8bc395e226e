//! Passkeys: added, used, named and removed, by an authenticator of software.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, Authenticator, Caller, PASSWORD, Person, TestApp};

const OWN: &str = "/api/me/passkeys";
const SIGN_IN: &str = "/api/auth/passkey";

/// Asks for options, which are to be given.
pub(crate) async fn options(caller: &Caller, path: &str) -> Value {
    let path = format!("{path}/options");
    let answer = caller.request_without_body(&Method::POST, &path).await;
    answer.expect(200)
}

/// Lets an authenticator make a passkey, and returns what is to be sent.
pub(crate) async fn made(caller: &Caller, by: &mut Authenticator, name: &str) -> Value {
    let options = options(caller, OWN).await;
    json!({ "ceremonyToken": options["ceremonyToken"], "credential": by.create(&options), "name": name })
}

/// Adds a passkey.
pub(crate) async fn add(caller: &Caller, by: &mut Authenticator, name: &str) -> Answer {
    let made = made(caller, by, name).await;
    caller.post(OWN, made).await
}

/// Adds a passkey and returns its path.
pub(crate) async fn added(caller: &Caller) -> String {
    let added = add(caller, &mut Authenticator::default(), "Phone").await;
    added.expect(201);
    added.header("location").to_owned()
}

/// Lets an authenticator sign a challenge, and returns what is to be sent.
pub(crate) async fn answer(caller: &Caller, by: &mut Authenticator) -> Value {
    let options = options(caller, SIGN_IN).await;
    json!({ "ceremonyToken": options["ceremonyToken"], "credential": by.get(&options) })
}

/// Signs in.
pub(crate) async fn sign_in(caller: &Caller, by: &mut Authenticator) -> Answer {
    let answer = answer(caller, by).await;
    caller.post(SIGN_IN, answer).await
}

#[tokio::test]
async fn who_has_a_passkey_signs_in_without_a_name_or_a_password() {
    let t = TestApp::start().await;
    let mut phone = Authenticator::default();
    let passkey = add(&t.member(), &mut phone, "  My phone ").await;
    let shown = passkey.expect(201);
    assert_eq!(shown["name"], "My phone");
    assert_eq!(shown["isSynced"], true);
    assert_eq!(shown["lastUsedAt"], Value::Null);
    let session = sign_in(&t.anonymous(), &mut phone).await.expect(200);
    assert_eq!(session["user"]["id"], Person::Member.id());
    let caller = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    caller.get("/api/me").await.expect(200);
    let listed = caller.get(OWN).await.expect(200);
    assert!(listed["data"][0]["lastUsedAt"].is_string(), "{listed}");
    let methods =
        "select array_to_string(methods, ',') from sessions order by created_at desc limit 1";
    assert_eq!(t.sql(methods, &[]).await, "pop");
    let form = json!({ "refreshToken": session["refreshToken"] });
    t.anonymous()
        .post("/api/auth/refresh", form)
        .await
        .expect(200);
    let mails = t.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, Person::Member.email());
    assert!(
        mails[0].text.contains("A passkey was added")
            || mails[0].text.contains("a passkey was added")
    );
}

#[tokio::test]
async fn the_options_ask_for_a_passkey_that_knows_and_verifies_its_user() {
    let t = TestApp::start().await;
    let new = options(&t.member(), OWN).await;
    assert_eq!(new["expiresIn"], 300);
    let key = &new["publicKey"];
    let selection = &key["authenticatorSelection"];
    assert_eq!(selection["residentKey"], "required");
    assert_eq!(selection["requireResidentKey"], true);
    assert_eq!(selection["userVerification"], "required");
    assert_eq!(key["attestation"], "none");
    assert_eq!(key["rp"]["id"], "id.example.com");
    assert_eq!(key["user"]["name"], Person::Member.email());
    let again = options(&t.member(), OWN).await;
    assert_eq!(again["publicKey"]["user"]["id"], key["user"]["id"]);
    assert_ne!(again["publicKey"]["challenge"], key["challenge"]);
    let other = options(&t.admin(), OWN).await;
    assert_ne!(other["publicKey"]["user"]["id"], key["user"]["id"]);
    let any = options(&t.anonymous(), SIGN_IN).await;
    assert_eq!(any["publicKey"]["rpId"], "id.example.com");
    assert_eq!(any["publicKey"]["userVerification"], "required");
    assert_eq!(any["publicKey"]["allowCredentials"], json!([]));
}

#[tokio::test]
async fn several_passkeys_have_names_of_their_own_and_each_signs_in() {
    let t = TestApp::start().await;
    let mut all = [(); 3].map(|()| Authenticator::default());
    let mut paths = Vec::new();
    for (number, authenticator) in all.iter_mut().enumerate() {
        let answer = add(&t.member(), authenticator, &format!("Key {number}")).await;
        answer.expect(201);
        paths.push(answer.header("location").to_owned());
    }
    let known = options(&t.member(), OWN).await;
    let known = known["publicKey"]["excludeCredentials"].as_array().unwrap();
    assert_eq!(known.len(), 3);
    for authenticator in &mut all {
        sign_in(&t.anonymous(), authenticator).await.expect(200);
    }
    let renamed = t.member().patch(&paths[1], json!({ "name": "Blue" })).await;
    assert_eq!(renamed.expect(200)["name"], "Blue");
    t.member().delete(&paths[0]).await.expect(204);
    let listed = t.member().get(OWN).await.expect(200);
    let names = listed["data"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|passkey| passkey["name"].clone()).collect();
    assert_eq!(names, ["Key 2", "Blue"]);
    let refused = sign_in(&t.anonymous(), &mut all[0]).await;
    assert_eq!(refused.problem(401), "invalid-passkey");
    let bad = t.member().patch(&paths[1], json!({ "name": "a\nb" })).await;
    assert_eq!(bad.faults(), ["/name unprintable"]);
}

#[tokio::test]
async fn a_removal_ends_every_other_session_and_tells_the_owner() {
    let t = TestApp::start().await;
    let mut phone = Authenticator::default();
    let path = {
        let answer = add(&t.member(), &mut phone, "Phone").await;
        answer.expect(201);
        answer.header("location").to_owned()
    };
    let other = sign_in(&t.anonymous(), &mut phone).await.expect(200);
    let other = t
        .anonymous()
        .with_token(other["accessToken"].as_str().unwrap());
    other.get("/api/me").await.expect(200);
    t.member().delete(&path).await.expect(204);
    other.get("/api/me").await.problem(401);
    t.member().get("/api/me").await.expect(200);
    assert_eq!(
        t.member().delete(&path).await.problem(404),
        "passkey-not-found"
    );
    assert_eq!(t.mails().await.len(), 2);
    let entries = t.audit().await;
    let actions: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["PASSKEY_ADD", "LOGIN", "PASSKEY_REMOVE"]);
}

#[tokio::test]
async fn the_last_passkey_of_who_has_no_password_stays() {
    let t = TestApp::start().await;
    let paths = [added(&t.member()).await, added(&t.member()).await];
    t.execute("update users set password = null where id = 4")
        .await;
    t.member().delete(&paths[0]).await.expect(204);
    let refused = t.member().delete(&paths[1]).await;
    assert_eq!(refused.problem(409), "last-passkey");
    t.execute("update users set password = 'x' where id = 4")
        .await;
    t.member().delete(&paths[1]).await.expect(204);
}

#[tokio::test]
async fn nobody_has_more_than_twenty() {
    let t = TestApp::start().await;
    let late = made(&t.member(), &mut Authenticator::default(), "Late").await;
    for number in 0..20 {
        add(
            &t.member(),
            &mut Authenticator::default(),
            &number.to_string(),
        )
        .await
        .expect(201);
    }
    let path = format!("{OWN}/options");
    let refused = t.member().request_without_body(&Method::POST, &path).await;
    assert_eq!(refused.problem(409), "too-many-passkeys");
    assert_eq!(
        t.member().post(OWN, late).await.problem(409),
        "too-many-passkeys"
    );
    assert_eq!(t.count("select count(*) from passkeys").await, 20);
}

#[tokio::test]
async fn an_old_proof_neither_adds_nor_removes() {
    let t = TestApp::start().await;
    let path = added(&t.member()).await;
    let aged =
        "update sessions set created_at = now() - interval '11 minutes', authenticated_at = null";
    t.execute(aged).await;
    let options = format!("{OWN}/options");
    for answer in [
        t.member()
            .request_without_body(&Method::POST, &options)
            .await,
        t.member().delete(&path).await,
    ] {
        assert_eq!(answer.problem(401), "reauthentication-required");
    }
    t.member()
        .patch(&path, json!({ "name": "Key" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_lost_answer_is_given_again() {
    let t = TestApp::start().await;
    let mut key = Authenticator::default();
    key.step = 1;
    let member = t.member().with_header("idempotency-key", "k");
    let made = made(&t.member(), &mut key, "Key").await;
    let first = member.post(OWN, made.clone()).await.expect(201);
    assert_eq!(member.post(OWN, made).await.expect(201), first);
    let anonymous = t.anonymous().with_header("idempotency-key", "k");
    let answer = answer(&anonymous, &mut key).await;
    let first = anonymous.post(SIGN_IN, answer.clone()).await.expect(200);
    let again = anonymous.post(SIGN_IN, answer.clone()).await.expect(200);
    assert_eq!(first["refreshToken"], again["refreshToken"]);
    let without = t.anonymous().post(SIGN_IN, answer).await;
    assert_eq!(without.problem(401), "invalid-passkey");
    let path = format!(
        "{OWN}/{}",
        t.member().get(OWN).await.expect(200)["data"][0]["id"]
            .as_str()
            .unwrap()
    );
    let removal = t.member().with_header("idempotency-key", "r");
    removal.delete(&path).await.expect(204);
    removal.delete(&path).await.expect(204);
}

#[tokio::test]
async fn what_is_over_is_forgotten_and_of_who_is_removed_nothing_is_left() {
    let t = TestApp::with(&[("CRON_SECRET", usher_tests::CRON_SECRET)]).await;
    added(&t.member()).await;
    options(&t.anonymous(), SIGN_IN).await;
    t.execute(
        "update passkey_ceremonies
        set created_at = created_at - interval '2 hours', expires_at = expires_at - interval '2 hours'",
    )
    .await;
    options(&t.anonymous(), SIGN_IN).await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(t.count("select count(*) from passkey_ceremonies").await, 1);
    t.admin().delete("/api/users/4").await.expect(204);
    assert_eq!(t.count("select count(*) from passkeys").await, 0);
    assert_eq!(t.count("select count(*) from passkey_handles").await, 0);
}

#[tokio::test]
async fn a_password_still_signs_in_beside_a_passkey() {
    let t = TestApp::start().await;
    added(&t.member()).await;
    let session = t
        .anonymous()
        .sign_in(&Person::Member.email(), PASSWORD)
        .await;
    session.expect(200);
}
