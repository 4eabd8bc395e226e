//! Sixteen at once confirm and cancel the same change of address: it is made at most once, and never after it was cancelled.

use serde_json::json;
use usher_tests::{PASSWORD, TestApp};

use crate::{
    email_changes::{Links, links},
    sixteen::{all_at_once, can_be_lost, rounds},
};

/// All changes are to one address.
const LIMITS: (&str, &str) = (
    "USHER_LIMITS",
    "mail-recipient=1000000/1,secret-address=1000000/1,everybody=1000000/1,password=100",
);

/// How often they try, usually.
const ROUNDS: usize = 20;
const OLD: &str = "member@example.com";

/// Sends many confirmations, or what another path takes, and returns which paths were successful.
async fn race(
    t: &TestApp,
    links: &Links,
    choose: impl Fn(usize) -> (&'static str, bool),
) -> Vec<(&'static str, bool)> {
    let outcomes = all_at_once(|number| {
        let (path, is_new) = choose(number);
        let token = match (path, is_new) {
            ("/api/auth/email/cancel", _) => &links.cancel,
            (_, true) => &links.new,
            (_, false) => &links.old,
        };
        let (caller, form) = (t.anonymous(), json!({ "token": token }));
        async move {
            let answer = caller.post(path, form).await;
            assert!([204, 400].contains(&answer.status()), "{}", answer.text());
            (answer.status() == 204).then_some((path, is_new))
        }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}

async fn back(t: &TestApp) {
    // A new session for the next round, since all but the one that asked ended.
    t.execute(&format!(
        "alter table users disable trigger user;
        update users set email = '{OLD}' where id = 4;
        alter table users enable trigger user"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_confirm_at_once_each_side_is_confirmed_once_and_the_change_made_once() {
    const CONFIRM: &str = "/api/auth/email/confirm";
    let t = TestApp::with(&[LIMITS]).await;
    for round in 0..rounds(ROUNDS) {
        let links = links(&t, "new@example.com").await;
        let winners = race(&t, &links, |number| (CONFIRM, number % 2 == 0)).await;
        let new = winners.iter().filter(|(_, is_new)| *is_new).count();
        assert_eq!((winners.len(), new), (2, 1), "round {round}");
        let changed = "select count(*) from users where email = 'new@example.com'";
        assert_eq!(t.count(changed).await, 1, "round {round}");
        back(&t).await;
    }
    let entries = t.audit().await;
    let made = entries
        .iter()
        .filter(|entry| entry["action"] == "EMAIL_CHANGE");
    assert_eq!(made.count(), rounds(ROUNDS));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_last_confirmation_and_a_cancellation_at_once_one_wins() {
    let t = TestApp::with(&[LIMITS]).await;
    let mut made = 0;
    for round in 0..rounds(ROUNDS) {
        let links = links(&t, "new@example.com").await;
        let form = json!({ "token": links.old });
        t.anonymous()
            .post("/api/auth/email/confirm", form)
            .await
            .expect(204);
        let winners = race(&t, &links, |number| {
            if number % 2 == 0 {
                ("/api/auth/email/confirm", true)
            } else {
                ("/api/auth/email/cancel", false)
            }
        })
        .await;
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let changed = t
            .count("select count(*) from users where email = 'new@example.com'")
            .await;
        let is_made = winners[0].1;
        assert_eq!(changed, i64::from(is_made), "round {round}");
        made += usize::from(is_made);
        back(&t).await;
    }
    let told = "select count(*) from audit_logs where action = 'EMAIL_CHANGE'";
    assert_eq!(t.count(told).await, i64::try_from(made).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_beside_another_password_makes_nobody_wait_in_a_circle() {
    let t = TestApp::with(&[LIMITS]).await;
    for round in 0..rounds(ROUNDS) {
        let links = links(&t, "new@example.com").await;
        let confirm = json!({ "token": links.old });
        t.anonymous()
            .post("/api/auth/email/confirm", confirm)
            .await
            .expect(204);
        let outcomes = all_at_once(|number| {
            let (anonymous, member) = (t.anonymous(), t.member());
            let (form, change) = (
                json!({ "token": links.new }),
                json!({ "currentPassword": PASSWORD, "newPassword": format!("another password {round}") }),
            );
            async move {
                let answer = if number % 8 == 0 {
                    member.post("/api/auth/password", change).await
                } else {
                    anonymous.post("/api/auth/email/confirm", form).await
                };
                answer.status()
            }
        })
        .await;
        let is_usual = |status: &u16| [204, 400, 403, 409, 503].contains(status);
        assert!(outcomes.iter().all(is_usual), "round {round}: {outcomes:?}");
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(t.count(deadlocks).await, 0, "round {round}");
        back(&t).await;
        t.execute(
            "update users set password = (select password from users where id = 1) where id = 4",
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_first_and_writes_afterwards_makes_and_cancels_the_same_change() {
    let t = TestApp::with(&[LIMITS]).await;
    links(&t, "new@example.com").await;
    can_be_lost(
        &t,
        "alter table email_changes disable trigger user; update email_changes set ended_at = null",
        "select ended_at is null from email_changes",
        "update email_changes set ended_at = now()",
    )
    .await;
}
