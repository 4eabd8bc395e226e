//! What somebody may try with passkeys: each attack by its name, refused alike, and written down with its reason.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Authenticator, Person, TestApp};

use crate::passkeys::{add, answer, made, options, sign_in};

const OWN: &str = "/api/me/passkeys";
const SIGN_IN: &str = "/api/auth/passkey";

/// Returns an authenticator with a passkey of the member.
async fn phone(t: &TestApp) -> Authenticator {
    let mut phone = Authenticator::default();
    add(&t.member(), &mut phone, "Phone").await.expect(201);
    phone
}

/// Sends an answer that is to be refused, and returns the reason that is written down.
async fn refused(t: &TestApp, answer: Value) -> Value {
    let before = t.count("select count(*) from sessions").await;
    let refused = t.anonymous().post(SIGN_IN, answer).await;
    assert_eq!(refused.problem(401), "invalid-passkey");
    assert_eq!(t.count("select count(*) from sessions").await, before);
    let entries = t.audit().await;
    let entry = entries.last().unwrap();
    assert_eq!(entry["action"], "LOGIN_FAILED");
    assert_eq!(entry["payload"]["method"], "pop");
    entry["payload"]["reason"].clone()
}

/// Sends a new passkey that is to be refused.
async fn refused_new(t: &TestApp, made: Value) {
    let refused = t.member().post(OWN, made).await;
    assert_eq!(refused.problem(400), "passkey-refused");
    assert_eq!(t.count("select count(*) from passkeys").await, 0);
    let entries = t.audit().await;
    let entry = entries.last().unwrap();
    assert_eq!(entry["action"], "PASSKEY_REFUSED");
    assert_eq!(entry["entity_id"], Person::Member.id());
}

/// What is told wrong to an authenticator.
const LIES: [fn(&mut Authenticator); 7] = [
    |by| "https://evil.example".clone_into(&mut by.origin),
    |by| "https://id.example.com.evil.example".clone_into(&mut by.origin),
    |by| "http://id.example.com".clone_into(&mut by.origin),
    |by| "https://login.id.example.com".clone_into(&mut by.origin),
    |by| "example.com".clone_into(&mut by.relying_party),
    |by| by.verifies = false,
    |by| by.is_framed = true,
];

#[tokio::test]
async fn another_origin_another_relying_party_no_verified_user_and_a_frame_make_no_passkey() {
    let t = TestApp::start().await;
    for lie in LIES {
        let mut authenticator = Authenticator::default();
        lie(&mut authenticator);
        let made = made(&t.member(), &mut authenticator, "Phone").await;
        refused_new(&t, made).await;
    }
}

#[tokio::test]
async fn another_origin_another_relying_party_no_verified_user_and_a_frame_sign_nobody_in() {
    let t = TestApp::start().await;
    for lie in LIES {
        let mut authenticator = phone(&t).await;
        lie(&mut authenticator);
        let answer = answer(&t.anonymous(), &mut authenticator).await;
        assert_eq!(refused(&t, answer).await, "wrong-passkey");
    }
}

#[tokio::test]
async fn an_answer_is_good_once_and_not_after_a_wrong_one() {
    let t = TestApp::start().await;
    let mut phone = phone(&t).await;
    let good = answer(&t.anonymous(), &mut phone).await;
    t.anonymous().post(SIGN_IN, good.clone()).await.expect(200);
    assert_eq!(refused(&t, good).await, "wrong-passkey");

    let good = answer(&t.anonymous(), &mut phone).await;
    let mut wrong = good.clone();
    wrong["credential"]["response"]["signature"] = "MEQCIA".into();
    assert_eq!(refused(&t, wrong).await, "wrong-passkey");
    assert_eq!(refused(&t, good).await, "wrong-passkey", "one try each");

    let made = made(&t.member(), &mut Authenticator::default(), "Key").await;
    t.member().post(OWN, made.clone()).await.expect(201);
    let again = t.member().post(OWN, made).await;
    assert_eq!(again.problem(400), "passkey-refused");
}

#[tokio::test]
async fn an_answer_is_good_for_five_minutes() {
    let t = TestApp::start().await;
    let mut phone = phone(&t).await;
    let late = answer(&t.anonymous(), &mut phone).await;
    let new = made(&t.member(), &mut Authenticator::default(), "Key").await;
    t.execute(
        "update passkey_ceremonies
        set created_at = created_at - interval '301 seconds', expires_at = expires_at - interval '301 seconds'",
    )
    .await;
    assert_eq!(refused(&t, late).await, "wrong-passkey");
    let refused = t.member().post(OWN, new).await;
    assert_eq!(refused.problem(400), "passkey-refused");
}

#[tokio::test]
async fn a_ceremony_is_of_one_purpose_and_one_user() {
    let t = TestApp::start().await;
    let mut phone = phone(&t).await;
    let own = options(&t.member(), OWN).await;
    let any = options(&t.anonymous(), SIGN_IN).await;
    // The challenge of one, with the token of the other.
    for (token, challenge) in [(&own, &any), (&own, &own), (&any, &own)] {
        let form =
            json!({ "ceremonyToken": token["ceremonyToken"], "credential": phone.get(challenge) });
        assert_eq!(refused(&t, form).await, "wrong-passkey");
    }
    t.execute("delete from passkeys").await;
    let (own, any) = (
        options(&t.member(), OWN).await,
        options(&t.anonymous(), SIGN_IN).await,
    );
    let theirs = options(&t.admin(), OWN).await;
    let mut key = Authenticator::default();
    for (token, challenge) in [(&any, &own), (&theirs, &theirs), (&theirs, &own)] {
        let credential = key.create(&own);
        let mut form = json!({ "ceremonyToken": token["ceremonyToken"], "credential": credential, "name": "Key" });
        let mut options = own.clone();
        options["publicKey"]["challenge"] = challenge["publicKey"]["challenge"].clone();
        form["credential"] = key.create(&options);
        refused_new(&t, form).await;
    }
    let form = json!({ "ceremonyToken": own["ceremonyToken"], "credential": key.create(&own), "name": "Key" });
    t.member().post(OWN, form).await.expect(201);
}

#[tokio::test]
async fn a_counter_that_does_not_grow_tells_of_a_copy() {
    let t = TestApp::start().await;
    let mut key = Authenticator::default();
    key.step = 1;
    key.syncs = false;
    key.counter = 7;
    add(&t.member(), &mut key, "Key").await.expect(201);
    sign_in(&t.anonymous(), &mut key).await.expect(200);
    assert_eq!(t.sql("select sign_count from passkeys", &[]).await, 8);
    for back in [1, 8] {
        key.counter -= back;
        let copy = answer(&t.anonymous(), &mut key).await;
        assert_eq!(refused(&t, copy).await, "cloned-passkey");
        let entries = t.audit().await;
        assert_eq!(entries.last().unwrap()["entity_id"], Person::Member.id());
        key.counter = 8;
    }
    key.step = 0;
    key.counter = 0;
    let copy = answer(&t.anonymous(), &mut key).await;
    assert_eq!(refused(&t, copy).await, "cloned-passkey");
    let back = t.refused("update passkeys set sign_count = 3").await;
    assert!(back.starts_with("23514"), "{back}");
}

#[tokio::test]
async fn a_bent_answer_signs_nobody_in() {
    let t = TestApp::start().await;
    let mut phone = phone(&t).await;
    for field in ["signature", "authenticatorData", "clientDataJSON"] {
        let mut bent = answer(&t.anonymous(), &mut phone).await;
        let text = bent["credential"]["response"][field].as_str().unwrap();
        let place = text.len() / 2;
        let other = if &text[place..=place] == "A" {
            "B"
        } else {
            "A"
        };
        let text = format!("{}{other}{}", &text[..place], &text[place + 1..]);
        bent["credential"]["response"][field] = text.into();
        assert_eq!(refused(&t, bent).await, "wrong-passkey", "{field}");
    }
    let mut kind = answer(&t.anonymous(), &mut phone).await;
    kind["credential"]["type"] = "password".into();
    assert_eq!(refused(&t, kind).await, "wrong-passkey");
    let mut made_up = Authenticator::default();
    made_up.credential.clone_from(&phone.credential);
    made_up.handle.clone_from(&phone.handle);
    let signed_by_another = answer(&t.anonymous(), &mut made_up).await;
    assert_eq!(refused(&t, signed_by_another).await, "wrong-passkey");
}

#[tokio::test]
async fn the_passkey_of_nobody_and_the_handle_of_another_sign_nobody_in() {
    let t = TestApp::start().await;
    let mut theirs = Authenticator::default();
    add(&t.admin(), &mut theirs, "Key").await.expect(201);
    let mut phone = phone(&t).await;
    let mut unknown = Authenticator::default();
    unknown.handle.clone_from(&phone.handle);
    let nobodys = answer(&t.anonymous(), &mut unknown).await;
    assert_eq!(refused(&t, nobodys).await, "unknown-passkey");
    for handle in [theirs.handle.clone(), Vec::new(), vec![0; 64]] {
        phone.handle = handle;
        let answer = answer(&t.anonymous(), &mut phone).await;
        assert_eq!(refused(&t, answer).await, "unknown-passkey");
    }
    let mut without = answer(&t.anonymous(), &mut phone).await;
    without["credential"]["response"]
        .as_object_mut()
        .unwrap()
        .remove("userHandle");
    assert_eq!(refused(&t, without).await, "unknown-passkey");
}

#[tokio::test]
async fn a_passkey_that_is_known_is_added_to_no_other_account() {
    let t = TestApp::start().await;
    let mut phone = phone(&t).await;
    for caller in [t.member(), t.admin()] {
        let again = add(&caller, &mut phone, "Again").await;
        assert!(matches!(again.status(), 400 | 409), "{}", again.text());
    }
    assert_eq!(t.count("select count(*) from passkeys").await, 1);
}

#[tokio::test]
async fn a_deactivated_a_removed_and_an_unverified_account_signs_in_by_no_passkey() {
    let t = TestApp::start().await;
    let mut phone = phone(&t).await;
    for (change, reason) in [
        ("is_self_registered = true", "unverified-email"),
        ("is_active = false", "inactive-account"),
        ("deleted_at = now()", "unknown-passkey"),
    ] {
        // Asked for before the change as well.
        let early = answer(&t.anonymous(), &mut phone).await;
        t.execute(&format!("update users set {change} where id = 4"))
            .await;
        assert_eq!(refused(&t, early).await, reason);
        let late = answer(&t.anonymous(), &mut phone).await;
        assert_eq!(refused(&t, late).await, reason);
    }
}

#[tokio::test]
async fn the_passkeys_of_others_are_neither_seen_nor_touched() {
    let t = TestApp::start().await;
    phone(&t).await;
    let path = t.member().get(OWN).await.expect(200)["data"][0]["id"].clone();
    let path = format!("{OWN}/{}", path.as_str().unwrap());
    let admin = t.admin();
    assert_eq!(admin.get(OWN).await.expect(200)["data"], json!([]));
    let renamed = admin.patch(&path, json!({ "name": "Mine" })).await;
    assert_eq!(renamed.problem(404), "passkey-not-found");
    assert_eq!(admin.delete(&path).await.problem(404), "passkey-not-found");
    let nonsense = admin.delete(&format!("{OWN}/nonsense")).await;
    assert_eq!(nonsense.problem(404), "passkey-not-found");
}

#[tokio::test]
async fn nonsense_is_refused_and_harms_nothing() {
    let t = TestApp::start().await;
    let long = "A".repeat(20_000);
    let deep = json!({ "id": "A", "rawId": "AA", "type": "public-key", "response": {
        "clientDataJSON": "e30", "attestationObject": long, "authenticatorData": long, "signature": "AA", "userHandle": "\u{0}" } });
    let bomb = json!({ "id": "A", "rawId": "AA", "type": "public-key", "response": {
        "clientDataJSON": "e30", "attestationObject": "m7-_______-_", "authenticatorData": "AA", "signature": "AA", "userHandle": "AA" } });
    for credential in [
        json!({}),
        json!({ "id": 1 }),
        json!({ "rawId": null }),
        deep,
        bomb,
    ] {
        for token in ["", "x", "\u{0}", &"A".repeat(43)] {
            let form = json!({ "ceremonyToken": token, "credential": credential, "name": "Key" });
            refused_new(&t, form).await;
            let form = json!({ "ceremonyToken": token, "credential": credential });
            refused(&t, form).await;
        }
        let options = options(&t.member(), OWN).await;
        let form = json!({ "ceremonyToken": options["ceremonyToken"], "credential": credential, "name": "Key" });
        refused_new(&t, form).await;
    }
    let anonymous = t.anonymous();
    let text = anonymous.json(
        &Method::POST,
        SIGN_IN,
        r#"{"ceremonyToken":"x","credential":"x"}"#,
    );
    assert_eq!(text.await.faults(), ["/credential type"]);
}

#[tokio::test]
async fn the_options_tell_nothing_of_accounts() {
    let t = TestApp::start().await;
    let shape = |mut options: Value| {
        options["ceremonyToken"] = Value::Null;
        options["publicKey"]["challenge"] = Value::Null;
        options
    };
    let before = shape(options(&t.anonymous(), SIGN_IN).await);
    phone(&t).await;
    assert_eq!(shape(options(&t.anonymous(), SIGN_IN).await), before);
    let anonymous = t.anonymous();
    let named = anonymous.get("/api/auth/passkey/options?email=member@example.com");
    assert_eq!(named.await.status(), 405);
}

#[tokio::test]
async fn a_site_without_a_name_says_that_it_has_no_passkeys() {
    let t = TestApp::with(&[("USHER_ISSUER", "https://192.0.2.7")]).await;
    let refused = t
        .anonymous()
        .request_without_body(&Method::POST, "/api/auth/passkey/options")
        .await;
    assert_eq!(refused.problem(503), "misconfigured");
}
