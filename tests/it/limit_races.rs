//! Sixteen guesses at once: no more are looked at than one after the other. Who looks first and counts afterwards lets more through.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use usher_tests::{Answer, Caller, TestApp};

use crate::{
    limits::{MEMBER, WRONG},
    sixteen::{MANY, can_be_lost, rounds},
};

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
    for round in 0..rounds(3) {
        t.execute("truncate credential_tries, request_rates").await;
        let started = Instant::now();
        let (wrong, refused) = statuses(vec![t.anonymous(); MANY], WRONG).await;
        // On a slow machine the first delay, of a second, is over meanwhile.
        let more = usize::from(started.elapsed() > Duration::from_secs(1)) * 3;
        assert!((5..=5 + more).contains(&wrong), "round {round}: {wrong}");
        assert_eq!(wrong + refused, MANY);
        t.execute("truncate credential_tries, request_rates").await;
        let started = Instant::now();
        let callers = (0..32).map(|number| t.anonymous().at(&format!("192.0.2.{number}")));
        let (wrong, _) = statuses(callers.collect(), WRONG).await;
        let more = usize::from(started.elapsed() > Duration::from_secs(1)) * 3;
        assert!((20..=20 + more).contains(&wrong), "round {round}: {wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_a_count_first_and_writes_it_afterwards_lets_more_through() {
    let t = TestApp::start().await;
    t.anonymous().sign_in(MEMBER, WRONG).await.problem(401);
    can_be_lost(
        &t,
        "delete from credential_tries where key <> (select key from credential_tries order by key limit 1);
        update credential_tries set tries = 4",
        "select tries < 5 from credential_tries",
        "update credential_tries set tries = tries + 1",
    )
    .await;
}
