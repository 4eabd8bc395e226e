//! Sixteen at once with the same API key: no secret is shown that is not good any more. Who looks first and writes afterwards
//! shows some.

use serde_json::json;
use tokio::task::JoinSet;
use usher_tests::{Person, TestApp, connect};

use crate::{
    api_keys::{PATH, is_good, made, sign_in_anew},
    sixteen::{MANY, all_at_once, can_be_lost, rounds},
};

/// How often they try, usually.
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_rotations_that_wait_for_each_other_one_is_made() {
    let t = TestApp::start().await;
    let owner = connect(t.url()).await;
    for round in 0..rounds(ROUNDS) {
        t.execute("delete from api_keys").await;
        let (id, _) = made(&t, Person::Member, &[]).await;
        sign_in_anew(&t).await;
        owner
            .batch_execute("begin; select from api_keys for update")
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..MANY {
            let (member, path) = (t.member(), format!("{PATH}/{id}/rotate"));
            tasks.spawn(async move { member.post(&path, json!({})).await });
        }
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while t.count(waits).await < i64::try_from(MANY).unwrap() - 1 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        owner.batch_execute("commit").await.unwrap();
        let answers = tasks.join_all().await;
        let shown = answers.iter().filter(|answer| answer.status() == 200);
        let shown: Vec<_> = shown.map(|answer| answer.body()["token"].clone()).collect();
        let refused = answers.iter().filter(|answer| answer.status() == 409);
        // One may have begun when the first was through.
        assert!(
            (1..=2).contains(&shown.len()),
            "round {round}: {}",
            shown.len()
        );
        assert_eq!(shown.len() + refused.count(), MANY, "round {round}");
        for token in &shown {
            let token = token.as_str().unwrap();
            assert!(
                is_good(&t, token).await,
                "round {round}: what was shown is good"
            );
        }
    }
    let rotations = "select count(*) from audit_logs where action = 'API_KEY_ROTATE'";
    assert!(t.count(rotations).await >= i64::try_from(rounds(ROUNDS)).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_make_the_last_key_one_does() {
    let t = TestApp::start().await;
    sign_in_anew(&t).await;
    for round in 0..rounds(ROUNDS) {
        t.execute(
            "delete from api_keys;
            insert into api_keys (user_id, name, scopes, secret_hash, expires_at)
            select 4, 'x', '{}', sha256(number::text::bytea), now() + interval '1 day'
            from generate_series(1, 49) as number",
        )
        .await;
        let statuses = all_at_once(|_| {
            let (member, form) = (t.member(), json!({ "name": "x", "scopes": [] }));
            async move { member.post(PATH, form).await.status() }
        })
        .await;
        let made = statuses.iter().filter(|status| **status == 201).count();
        let refused = statuses.iter().filter(|status| **status == 409).count();
        assert_eq!(
            (made, refused),
            (1, MANY - 1),
            "round {round}: {statuses:?}"
        );
        assert_eq!(t.count("select count(*) from api_keys").await, 50);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_the_secret_first_and_writes_afterwards_replaces_it_more_than_once() {
    let t = TestApp::start().await;
    made(&t, Person::Member, &[]).await;
    can_be_lost(
        &t,
        "alter table api_keys disable trigger user; update api_keys set rotated_at = null",
        "select rotated_at is null from api_keys",
        "update api_keys set secret_hash = sha256(gen_random_uuid()::text::bytea), rotated_at = now()",
    )
    .await;
}
