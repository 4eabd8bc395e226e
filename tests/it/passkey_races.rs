//! Sixteen at once with the same answer of an authenticator: one signs in. Who looks first and writes afterwards lets more through.

use usher_tests::{Authenticator, TestApp};

use crate::{
    passkeys::{add, answer, made, options},
    sixteen::{MANY, can_be_lost, rounds, winners},
};

/// How often they try, usually.
const ROUNDS: usize = 20;
/// All come from one address.
const LIMITS: (&str, &str) = (
    "USHER_LIMITS",
    "login-address=1000000/1,secret-address=1000000/1,everybody=1000000/1",
);

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_with_the_same_answer_one_signs_in() {
    let t = TestApp::with(&[LIMITS]).await;
    // It does not count, so that only the ceremony holds them back.
    let mut phone = Authenticator::default();
    add(&t.member(), &mut phone, "Phone").await.expect(201);
    let before = t.count("select count(*) from sessions").await;
    for round in 0..rounds(ROUNDS) {
        let form = answer(&t.anonymous(), &mut phone).await;
        let count = winners(|_| {
            let (caller, form) = (t.anonymous(), form.clone());
            async move { caller.post("/api/auth/passkey", form).await.status() == 200 }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
    let sessions = t.count("select count(*) from sessions").await - before;
    assert_eq!(sessions, i64::try_from(rounds(ROUNDS)).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_with_the_same_new_passkey_one_adds_it() {
    let t = TestApp::with(&[LIMITS]).await;
    for round in 0..rounds(ROUNDS) {
        t.execute("delete from passkeys").await;
        let form = made(&t.member(), &mut Authenticator::default(), "Phone").await;
        let count = winners(|_| {
            let (caller, form) = (t.member(), form.clone());
            async move { caller.post("/api/me/passkeys", form).await.status() == 201 }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
        let kept = "select count(*) from passkeys";
        assert_eq!(t.count(kept).await, 1, "round {round}");
    }
    let added = "select count(*) from audit_logs where action = 'PASSKEY_ADD'";
    let expected = i64::try_from(rounds(ROUNDS)).unwrap();
    assert_eq!(t.count(added).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_remove_the_last_passkeys_without_a_password_one_is_kept() {
    let t = TestApp::with(&[LIMITS]).await;
    for round in 0..rounds(5) {
        let mut paths = Vec::new();
        for _ in 0..MANY {
            let answer = add(&t.member(), &mut Authenticator::default(), "Key").await;
            answer.expect(201);
            paths.push(answer.header("location").to_owned());
        }
        t.execute("update users set password = null where id = 4")
            .await;
        winners(|number| {
            let path = paths[number].clone();
            let caller = t.member();
            async move { caller.delete(&path).await.status() == 204 }
        })
        .await;
        let left = t.count("select count(*) from passkeys").await;
        assert!(left >= 1, "round {round}");
        t.execute("update users set password = 'x' where id = 4; delete from passkeys")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_add_at_once_nobody_gets_more_than_twenty() {
    let t = TestApp::with(&[LIMITS]).await;
    for _ in 0..12 {
        add(&t.member(), &mut Authenticator::default(), "Key")
            .await
            .expect(201);
    }
    let mut forms = Vec::new();
    for _ in 0..MANY {
        forms.push(made(&t.member(), &mut Authenticator::default(), "Key").await);
    }
    let count = winners(|number| {
        let form = forms[number].clone();
        let caller = t.member();
        async move { caller.post("/api/me/passkeys", form).await.status() == 201 }
    })
    .await;
    assert_eq!(count, 8);
    assert_eq!(t.count("select count(*) from passkeys").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_first_and_writes_afterwards_lets_more_than_one_sign_in() {
    let t = TestApp::with(&[LIMITS]).await;
    options(&t.anonymous(), "/api/auth/passkey").await;
    can_be_lost(
        &t,
        "update passkey_ceremonies set used_at = null",
        "select used_at is null from passkey_ceremonies",
        "update passkey_ceremonies set used_at = now()",
    )
    .await;
}
