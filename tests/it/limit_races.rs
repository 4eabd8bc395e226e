//! Sixteen guesses at once: no more are looked at than one after the other. Who looks first and counts afterwards lets more through.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Barrier, task::JoinSet};
use usher_tests::{Answer, Caller, TestApp, connect};

use crate::limits::{MEMBER, WRONG};

const SIXTEEN: usize = 16;

/// Returns how often sixteen race; `USHER_LIMIT_RACES=1000` is the long form.
#[expect(clippy::disallowed_methods, reason = "the one setting of a test")]
fn rounds() -> usize {
    let text = env::var("USHER_LIMIT_RACES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(3)
}

async fn statuses(callers: Vec<Caller>, password: &'static str) -> (usize, usize) {
    let mut running: JoinSet<Answer> = callers
        .into_iter()
        .map(|caller| async move { caller.sign_in(MEMBER, password).await })
        .collect();
    let (mut wrong, mut refused) = (0, 0);
    while let Some(answer) = running.join_next().await {
        match answer.unwrap().status() {
            401 => wrong += 1,
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    (wrong, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_wrong_passwords_at_once_as_many_pass_as_one_after_the_other() {
    let t = TestApp::start().await;
    for round in 0..rounds() {
        t.execute("truncate credential_tries, request_rates").await;
        let started = Instant::now();
        let (wrong, refused) = statuses(vec![t.anonymous(); SIXTEEN], WRONG).await;
        // On a slow machine the first delay, of a second, is over meanwhile.
        let more = usize::from(started.elapsed() > Duration::from_secs(1)) * 3;
        assert!((5..=5 + more).contains(&wrong), "round {round}: {wrong}");
        assert_eq!(wrong + refused, SIXTEEN);
        t.execute("truncate credential_tries, request_rates").await;
        let started = Instant::now();
        let callers = (0..32).map(|number| t.anonymous().at(&format!("192.0.2.{number}")));
        let (wrong, _) = statuses(callers.collect(), WRONG).await;
        let more = usize::from(started.elapsed() > Duration::from_secs(1)) * 3;
        assert!((20..=20 + more).contains(&wrong), "round {round}: {wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_at_a_count_first_and_writes_it_afterwards_lets_more_through() {
    let t = TestApp::start().await;
    t.anonymous().sign_in(MEMBER, WRONG).await.problem(401);
    let mut most = 0;
    for _ in 0..10 {
        t.execute("update credential_tries set tries = 1").await;
        let mut running = JoinSet::new();
        let start = Arc::new(Barrier::new(SIXTEEN));
        for _ in 0..SIXTEEN {
            let (client, start) = (connect(t.url()).await, Arc::clone(&start));
            running.spawn(async move {
                start.wait().await;
                let look = "select max(tries) < 5 from credential_tries";
                let is_open: bool = client.query_one(look, &[]).await.unwrap().get(0);
                if is_open {
                    let write = "update credential_tries set tries = tries + 1";
                    client.execute(write, &[]).await.unwrap();
                }
                usize::from(is_open)
            });
        }
        most = most.max(running.join_all().await.into_iter().sum());
    }
    assert!(
        most > 4,
        "the race cannot be lost, so that winning it says nothing"
    );
}
