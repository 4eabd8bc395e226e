//! Sixteen at once about an account whose deletion is due: it is back or gone. Who looks first and writes afterwards lets more
//! through.

use std::time::Duration;

use serde_json::json;
use usher_tests::Person;

use crate::{
    deletion::{RESTORE, maintain, member, restore_token, start},
    sixteen::{can_be_lost, rounds, winners},
};

/// The day comes while the link is opened: whoever is first wins, and an account is never both back and gone.
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_restore_and_remove_at_the_moment_one_gets_there() {
    let t = start().await;
    let person = Person::Member;
    for round in 0..rounds(20) {
        let token = restore_token(&t).await;
        // Due in the middle of what follows.
        t.execute(
            "alter table account_deletions disable trigger user;
            update account_deletions set due_at = clock_timestamp() + interval '15 milliseconds';
            alter table account_deletions enable trigger user",
        )
        .await;
        let restored = winners(|number| {
            let (anonymous, scheduler) = (t.anonymous(), t.scheduler());
            let (form, delay) = (json!({ "token": token }), 2 * number as u64);
            async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                if number % 4 == 0 {
                    scheduler.get("/api/cron/maintain").await.expect(200);
                    return false;
                }
                let answer = anonymous.post(RESTORE, form).await;
                answer.status() == 204
            }
        })
        .await;
        maintain(&t).await;
        let state = member(&t).await;
        let is_back = json!({ "active": true, "gone": false });
        let is_gone = json!({ "active": false, "gone": true });
        assert!(
            (restored == 1 && state == is_back) || (restored == 0 && state == is_gone),
            "round {round}: {restored} restored, {state}"
        );
        // Back for the next round, signed in as before.
        t.execute(&format!(
            "alter table users disable trigger user;
            alter table sessions disable trigger user;
            update users set deleted_at = null, is_active = true where id = 4;
            update sessions set ended_at = null, end_reason = null where id = '{}';
            alter table sessions enable trigger user;
            alter table users enable trigger user",
            person.session()
        ))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_first_and_writes_afterwards_restores_more_than_once() {
    let t = start().await;
    restore_token(&t).await;
    can_be_lost(
        &t,
        "alter table account_deletions disable trigger user; update account_deletions set ended_at = null",
        "select ended_at is null from account_deletions",
        "update account_deletions set ended_at = now()",
    )
    .await;
}
