//! Proving again with a passkey who one is: in the session that asked, with a passkey of its user, once.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Authenticator, Caller, PASSWORD, Person, TestApp};

use crate::{
    enrolled::{CODES, TOTP, enrol},
    mail_sign_in,
    passkeys::{add, options},
    round_trips::{waits, warm},
    step_up::{age, claims},
};

pub(crate) const PATH: &str = "/api/auth/reauthenticate";
pub(crate) const OPTIONS: &str = "/api/auth/reauthenticate/options";

/// Lets an authenticator sign a question that the session of a caller asked for, and returns what is to be sent.
pub(crate) async fn answer(caller: &Caller, by: &mut Authenticator) -> Value {
    let options = options(caller, PATH).await;
    json!({ "ceremonyToken": options["ceremonyToken"], "credential": by.get(&options) })
}

/// Returns an authenticator with a passkey of somebody.
pub(crate) async fn phone(caller: &Caller) -> Authenticator {
    let mut phone = Authenticator::default();
    add(caller, &mut phone, "Phone").await.expect(201);
    phone
}

/// Sends an answer that is to be refused, and returns the reason that is written down.
pub(crate) async fn refused(t: &TestApp, caller: &Caller, answer: Value) -> Value {
    let proved = "select count(*) from sessions where authenticated_at is not null";
    let before = t.count(proved).await;
    let refused = caller.post(PATH, answer).await;
    assert_eq!(refused.problem(400), "passkey-refused");
    assert_eq!(t.count(proved).await, before);
    let entries = t.audit().await;
    let entry = entries.last().unwrap();
    assert_eq!(entry["action"], "PASSKEY_REFUSED");
    assert_eq!(entry["entity_id"], entry["actor_id"]);
    assert_eq!(entry["payload"]["purpose"], "step-up");
    entry["payload"]["reason"].clone()
}

/// Asks for something that needs a proof of the last minutes, and returns by what it can be given.
async fn ways(caller: &Caller) -> Value {
    let refused = caller.request_without_body(&Method::POST, TOTP).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.starts_with(r#"Bearer error="insufficient_user_authentication""#));
    refused.body()["methods"].clone()
}

#[tokio::test]
async fn who_has_passkeys_alone_proves_again_and_goes_on() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut phone = phone(&member).await;
    t.execute("update users set password = null where id = 4")
        .await;
    age(&t).await;
    assert_eq!(ways(&member).await, json!(["passkey"]));
    let answer = answer(&member, &mut phone).await;
    let proof = member.post(PATH, answer).await.expect(200);
    assert_eq!(proof["expiresIn"], 300);
    let claims = claims(&proof);
    assert_eq!(claims["amr"], json!(["pop", "mfa"]));
    assert_eq!(claims["auth_time"], claims["iat"]);
    member
        .request_without_body(&Method::POST, TOTP)
        .await
        .expect(200);
    let other = t
        .anonymous()
        .with_token(proof["accessToken"].as_str().unwrap());
    let me = other.get("/api/me").await.expect(200);
    assert_eq!(me["sessionId"], Person::Member.session().to_string());
    let fresh = "select count(*) from sessions
        where authenticated_at > now() - interval '1 minute' and methods = '{pop}'";
    assert_eq!(t.count(fresh).await, 1, "of one session alone");
    let used = "select count(*) from passkeys where last_used_at is not null";
    assert_eq!(t.count(used).await, 1);
    let entries = t.audit().await;
    let entry = entries
        .iter()
        .find(|entry| entry["action"] == "REAUTHENTICATE");
    let passkey = t.sql("select id from passkeys", &[]).await;
    assert_eq!(entry.unwrap()["payload"]["passkeyId"], passkey);
}

#[tokio::test]
async fn the_question_is_for_the_own_passkeys_and_asks_for_a_verified_user() {
    let t = TestApp::start().await;
    let theirs = phone(&t.admin()).await;
    let own = [phone(&t.member()).await, phone(&t.member()).await];
    let asked = options(&t.member(), PATH).await;
    assert_eq!(asked["expiresIn"], 300);
    let key = &asked["publicKey"];
    assert_eq!(key["userVerification"], "required");
    assert_eq!(key["rpId"], "id.example.com");
    let allowed = key["allowCredentials"].as_array().unwrap();
    assert_eq!(allowed.len(), 2);
    let allowed = asked.to_string();
    for own in &own {
        assert!(allowed.contains(&id(own)));
    }
    assert!(!allowed.contains(&id(&theirs)));
    let none = t.caller(Person::Auditor);
    let none = none.request_without_body(&Method::POST, OPTIONS);
    assert_eq!(none.await.problem(404), "passkey-not-found");
    let nobody = t.anonymous();
    let nobody = nobody.request_without_body(&Method::POST, OPTIONS);
    assert_eq!(nobody.await.problem(401), "unauthenticated");
}

fn id(of: &Authenticator) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(&of.credential)
}

#[tokio::test]
async fn a_passkey_stands_for_both_factors() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    let member = t.member();
    let mut phone = phone(&member).await;
    age(&t).await;
    let all = json!(["password", "totp", "recovery-code", "passkey"]);
    let refused = member.request_without_body(&Method::POST, CODES).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
    assert_eq!(refused.body()["methods"], all);
    let answer = answer(&member, &mut phone).await;
    member.post(PATH, answer).await.expect(200);
    member
        .request_without_body(&Method::POST, CODES)
        .await
        .expect(200);
    let form = json!({ "password": PASSWORD, "code": enrolled.codes[0] });
    let late = member.post(PATH, form).await;
    assert_eq!(late.problem(401), "invalid-code", "there are new ones");
}

#[tokio::test]
async fn the_methods_are_those_that_the_account_has() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut phone = phone(&member).await;
    age(&t).await;
    assert_eq!(ways(&member).await, json!(["password", "passkey"]));
    t.execute("delete from passkeys").await;
    assert_eq!(ways(&member).await, json!(["password"]));
    t.execute("update users set password = null where id = 4")
        .await;
    assert_eq!(ways(&member).await, json!([]));
    let gone = answer_to_nothing(&mut phone);
    assert_eq!(refused(&t, &member, gone).await, "unknown-passkey");
}

/// Signs a challenge that nobody put.
fn answer_to_nothing(by: &mut Authenticator) -> Value {
    let options = json!({ "publicKey": { "challenge": "A".repeat(43) } });
    json!({ "ceremonyToken": "A".repeat(43), "credential": by.get(&options) })
}

#[tokio::test]
async fn a_proof_waits_for_the_check_the_question_and_the_change() {
    let (t, wire, _) = warm().await;
    let mut phone = phone(&t.member()).await;
    let form = answer(&t.member(), &mut phone).await;
    wire.take();
    let proof = t.member().post(PATH, form).await;
    proof.expect(200);
    assert_eq!(waits(&wire, &proof, "a proof by a passkey"), 3);
}

#[tokio::test]
async fn who_signs_in_by_mail_alone_signs_in_anew() {
    let t = TestApp::with(&[(
        "USHER_LIMITS",
        "mail-address=1000000/1,mail-recipient=1000000/1",
    )])
    .await;
    t.execute("update users set password = null where id = 4")
        .await;
    age(&t).await;
    let member = t.member();
    assert_eq!(ways(&member).await, json!([]));
    for form in [
        json!({}),
        json!({ "password": PASSWORD }),
        json!({ "password": "" }),
        json!({ "code": "123456" }),
    ] {
        let refused = member.post(PATH, form).await;
        assert_eq!(refused.problem(403), "password-missing");
    }
    let proved = "select count(*) from sessions where authenticated_at is not null";
    assert_eq!(t.count(proved).await, 0, "nothing proves nothing");
    let mailed = mail_sign_in::mailed(&t, "member@example.com").await;
    let session = mail_sign_in::confirm(&t, mailed.by_link()).await;
    let session = session.expect(200);
    let own = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    own.request_without_body(&Method::POST, TOTP)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_code_without_a_password_proves_nothing() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    t.execute("update users set password = null where id = 4")
        .await;
    age(&t).await;
    let member = t.member();
    let refused = member.request_without_body(&Method::POST, CODES).await;
    assert_eq!(refused.body()["methods"], json!([]));
    let form = json!({ "code": enrolled.code(&t).await });
    let refused = member.post(PATH, form).await;
    assert_eq!(refused.problem(403), "password-missing");
    let both = "select count(*) from sessions where user_id = 4 and methods = '{pwd,otp}'";
    assert_eq!(t.count(both).await, 1, "the session is worth what it was");
}

#[tokio::test]
async fn an_authenticator_need_not_say_whose_passkey_it_is() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut phone = phone(&member).await;
    let mut without = answer(&member, &mut phone).await;
    let response = without["credential"]["response"].as_object_mut();
    response.unwrap().remove("userHandle");
    member.post(PATH, without).await.expect(200);
}

#[tokio::test]
async fn what_goes_together_is_said() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut own = phone(&member).await;
    let good = answer(&member, &mut own).await;
    let with = |name: &str, value: Value| {
        let mut form = good.clone();
        form[name] = value;
        form
    };
    for (form, fault) in [
        (with("password", PASSWORD.into()), "/password unexpected"),
        (with("code", "123456".into()), "/code unexpected"),
        (
            json!({ "credential": good["credential"] }),
            "/ceremonyToken required",
        ),
        (
            json!({ "ceremonyToken": good["ceremonyToken"] }),
            "/credential required",
        ),
        (with("credential", "x".into()), "/credential type"),
    ] {
        assert_eq!(member.post(PATH, form).await.faults(), [fault]);
    }
    for token in ["", "x", "\u{0}"] {
        let nonsense = json!({ "ceremonyToken": token, "credential": {} });
        assert_eq!(refused(&t, &member, nonsense).await, "wrong-passkey");
    }
    member.post(PATH, good).await.expect(200);
}

#[tokio::test]
async fn a_proof_that_is_sent_again_is_noted_once() {
    let t = TestApp::start().await;
    let member = t.member().with_header("idempotency-key", "k");
    let mut key = Authenticator::default();
    key.step = 1;
    add(&t.member(), &mut key, "Key").await.expect(201);
    let answer = answer(&t.member(), &mut key).await;
    let first = member.post(PATH, answer.clone()).await.expect(200);
    let again = member.post(PATH, answer).await.expect(200);
    assert_eq!(claims(&first)["auth_time"], claims(&again)["auth_time"]);
    let noted = "select count(*) from audit_logs where action = 'REAUTHENTICATE'";
    assert_eq!(t.count(noted).await, 1);
}
