//! Attacks on proving again with a passkey, each by its name, and sixteen at once.

use http::Method;
use serde_json::json;
use time::Duration;
use usher_tests::{Authenticator, Person, TestApp};

use crate::{
    passkey_step_up::{OPTIONS, PATH, answer, phone, refused},
    passkeys::{add, options, sign_in},
    sixteen::{rounds, winners},
};

#[tokio::test]
async fn attack_another_origin_no_verified_user_and_a_frame_prove_nothing() {
    let lies: [fn(&mut Authenticator); 6] = [
        |by| "https://evil.example".clone_into(&mut by.origin),
        |by| "https://id.example.com.evil.example".clone_into(&mut by.origin),
        |by| "http://id.example.com".clone_into(&mut by.origin),
        |by| "example.com".clone_into(&mut by.relying_party),
        |by| by.verifies = false,
        |by| by.is_framed = true,
    ];
    let t = TestApp::start().await;
    let member = t.member();
    for lie in lies {
        let mut authenticator = phone(&member).await;
        lie(&mut authenticator);
        let answer = answer(&member, &mut authenticator).await;
        assert_eq!(refused(&t, &member, answer).await, "wrong-passkey");
    }
}

#[tokio::test]
async fn attack_the_passkey_of_somebody_else_is_shown() {
    let t = TestApp::start().await;
    let (member, admin) = (t.member(), t.admin());
    let mut own = phone(&member).await;
    let mut theirs = phone(&admin).await;
    let foreign = answer(&member, &mut theirs).await;
    assert_eq!(refused(&t, &member, foreign).await, "unknown-passkey");
    // As if it were the own one, by its id or by its user.
    let mut made_up = Authenticator::default();
    made_up.credential.clone_from(&own.credential);
    made_up.handle.clone_from(&own.handle);
    let signed_by_another = answer(&member, &mut made_up).await;
    assert_eq!(
        refused(&t, &member, signed_by_another).await,
        "wrong-passkey"
    );
    let handle = own.handle.clone();
    for other in [theirs.handle.clone(), vec![0; 64], vec![7; 16]] {
        own.handle = other;
        let answer = answer(&member, &mut own).await;
        assert_eq!(refused(&t, &member, answer).await, "unknown-passkey");
    }
    own.handle = handle;
    let answer = answer(&member, &mut own).await;
    member.post(PATH, answer).await.expect(200);
}

#[tokio::test]
async fn attack_a_ceremony_of_another_session_is_answered() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut own = phone(&member).await;
    let session = sign_in(&t.anonymous(), &mut own).await.expect(200);
    let elsewhere = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    let asked_here = answer(&member, &mut own).await;
    assert_eq!(
        refused(&t, &elsewhere, asked_here.clone()).await,
        "wrong-passkey"
    );
    // It is not used up by who had no business with it.
    member.post(PATH, asked_here).await.expect(200);
    let mut theirs = phone(&t.admin()).await;
    let asked_by_admin = options(&t.admin(), PATH).await;
    let form = json!({
        "ceremonyToken": asked_by_admin["ceremonyToken"],
        "credential": own.get(&asked_by_admin),
    });
    assert_eq!(refused(&t, &member, form).await, "wrong-passkey");
    let form = json!({
        "ceremonyToken": asked_by_admin["ceremonyToken"],
        "credential": theirs.get(&asked_by_admin),
    });
    t.admin().post(PATH, form).await.expect(200);
}

#[tokio::test]
async fn attack_a_ceremony_of_another_purpose_is_answered() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut own = phone(&member).await;
    for path in ["/api/auth/passkey", "/api/me/passkeys"] {
        let asked = options(&member, path).await;
        let form =
            json!({ "ceremonyToken": asked["ceremonyToken"], "credential": own.get(&asked) });
        assert_eq!(refused(&t, &member, form).await, "wrong-passkey", "{path}");
    }
    let before = t.count("select count(*) from sessions").await;
    let step_up = answer(&member, &mut own).await;
    let anonymous = t.anonymous();
    let entered = anonymous.post("/api/auth/passkey", step_up.clone()).await;
    assert_eq!(entered.problem(401), "invalid-passkey");
    let mut new = step_up;
    new["name"] = "Key".into();
    let added = member.post("/api/me/passkeys", new).await;
    assert_eq!(added.problem(400), "passkey-refused");
    assert_eq!(t.count("select count(*) from sessions").await, before);
}

#[tokio::test]
async fn attack_a_ceremony_is_answered_twice_or_too_late() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut own = phone(&member).await;
    let good = answer(&member, &mut own).await;
    member.post(PATH, good.clone()).await.expect(200);
    assert_eq!(refused(&t, &member, good).await, "wrong-passkey");

    let good = answer(&member, &mut own).await;
    let mut wrong = good.clone();
    wrong["credential"]["response"]["signature"] = "MEQCIA".into();
    assert_eq!(refused(&t, &member, wrong).await, "wrong-passkey");
    assert_eq!(
        refused(&t, &member, good).await,
        "wrong-passkey",
        "one try each"
    );

    let late = answer(&member, &mut own).await;
    t.execute(
        "update passkey_ceremonies
        set created_at = created_at - interval '301 seconds', expires_at = expires_at - interval '301 seconds'
        where used_at is null",
    )
    .await;
    assert_eq!(refused(&t, &member, late).await, "wrong-passkey");
}

#[tokio::test]
async fn attack_a_copy_of_a_passkey_is_used() {
    let t = TestApp::start().await;
    let member = t.member();
    let mut key = Authenticator::default();
    (key.step, key.syncs, key.counter) = (1, false, 7);
    add(&member, &mut key, "Key").await.expect(201);
    let good = answer(&member, &mut key).await;
    member.post(PATH, good).await.expect(200);
    assert_eq!(t.sql("select sign_count from passkeys", &[]).await, 8);
    key.counter = 7;
    let copy = answer(&member, &mut key).await;
    assert_eq!(refused(&t, &member, copy).await, "cloned-passkey");
}

#[tokio::test]
async fn attack_the_session_or_the_account_ends_before_the_answer() {
    for change in [
        "update sessions set ended_at = now(), end_reason = 'logout' where user_id = 4 and ended_at is null",
        "update users set is_active = false where id = 4",
    ] {
        let t = TestApp::start().await;
        let member = t.member();
        let mut own = phone(&member).await;
        let early = answer(&member, &mut own).await;
        let late = member.send_late(&Method::POST, PATH, early, t.execute(change));
        assert_eq!(late.await.problem(401), "unauthenticated", "{change}");
    }
    let t = TestApp::start().await;
    let stale = t.caller_since(Person::Admin, Duration::hours(1));
    let stale = stale.request_without_body(&Method::POST, OPTIONS);
    assert_eq!(stale.await.problem(401), "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_with_the_same_answer_one_proves() {
    let t = TestApp::start().await;
    let mut own = phone(&t.member()).await;
    for round in 0..rounds(20) {
        let form = answer(&t.member(), &mut own).await;
        let count = winners(|_| {
            let (caller, form) = (t.member(), form.clone());
            async move { caller.post(PATH, form).await.status() == 200 }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
    let noted = "select count(*) from audit_logs where action = 'REAUTHENTICATE'";
    assert_eq!(t.count(noted).await, i64::try_from(rounds(20)).unwrap());
}

#[tokio::test]
async fn a_ceremony_of_a_session_is_for_a_proof() {
    let t = TestApp::start().await;
    let insert = |purpose: &str, session: &str| {
        format!(
            "insert into passkey_ceremonies (token_hash, purpose, user_id, state, expires_at, session_id)
            values (sha256('x'), '{purpose}', 4, '{{}}', now() + interval '1 minute', {session})"
        )
    };
    for purpose in ["register", "sign-in"] {
        let refused = t.refused(&insert(purpose, "gen_random_uuid()")).await;
        assert!(refused.starts_with("23514"), "{refused}");
    }
}
