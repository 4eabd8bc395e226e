//! A replica that dies, freezes or cannot answer: the primary does, and nobody gets an error.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use usher_tests::{Answer, Caller, TestApp, database};

use crate::{Pair, outcome, pair};

const TOKEN: &str = "consistency-token";

/// Asks for a list, which is to be there, until what came of asking the replica is this.
async fn until(caller: &Caller, expected: &str) -> Answer {
    let started = Instant::now();
    loop {
        let answer = caller.get("/api/users").await;
        answer.expect(200);
        if outcome(&answer) == expected {
            return answer;
        }
        let so_far = outcome(&answer);
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "still {so_far}, not {expected}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_dies_under_load_costs_nobody_an_error() {
    let mut pair = Pair::start().await;
    let t = pair.app(&[]).await;
    let (begun, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut readers = JoinSet::new();
    for _ in 0..8 {
        let (admin, begun, stop) = (t.admin(), Arc::clone(&begun), Arc::clone(&stop));
        readers.spawn(async move {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                begun.fetch_add(1, Ordering::Relaxed);
                answers.push(admin.get("/api/users").await);
            }
            answers
        });
    }
    let more = async || {
        let enough = begun.load(Ordering::Relaxed) + 40;
        while begun.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until(&t.admin(), "used").await;
    more().await;
    pair.kill_replica();
    until(&t.admin(), "resting").await;
    more().await;
    stop.store(true, Ordering::Relaxed);
    let answers = readers.join_all().await.concat();
    for answer in &answers {
        answer.expect(200);
    }
    let outcomes: BTreeSet<_> = answers.iter().map(outcome).collect();
    assert!(
        outcomes.contains("used") && outcomes.contains("resting"),
        "{outcomes:?}"
    );
    pair.restart_replica();
    until(&t.admin(), "used").await;
}

#[tokio::test]
async fn a_replica_that_freezes_is_given_up_and_left_alone() {
    let pair = Pair::start().await;
    let t = pair.app(&[]).await;
    let admin = t.admin();
    until(&admin, "used").await;
    let processes = pair.freeze_replica().await;
    let started = Instant::now();
    until(&admin, "away").await;
    let took = started.elapsed();
    assert!(took < Duration::from_millis(2500), "{took:?}");
    let started = Instant::now();
    let answer = admin.get("/api/users").await;
    answer.expect(200);
    assert_eq!(outcome(&answer), "resting");
    assert!(started.elapsed() < Duration::from_millis(500));
    pair::thaw(&processes);
    until(&admin, "used").await;
}

#[tokio::test]
async fn a_replica_that_is_silent_from_the_start_costs_a_second_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/none", silent.local_addr().unwrap());
    let t = pair::app_with(database::create().await, &url, &[]).await;
    for (expected, limit) in [("away", 2000), ("resting", 500)] {
        let started = Instant::now();
        let answer = t.admin().get("/api/users").await;
        answer.expect(200);
        assert_eq!(outcome(&answer), expected);
        assert!(
            started.elapsed() < Duration::from_millis(limit),
            "{expected}"
        );
    }
}

/// Leaves a table locked on the replica alone: the lock was replayed, and its end is not.
async fn lock_on_the_replica(pair: &Pair, t: &TestApp, table: &str) {
    let owner = t.lock(table).await;
    // Only a transaction that writes tells the replica of its locks.
    owner
        .batch_execute("create table nothing ()")
        .await
        .unwrap();
    let name = t.database_name();
    let held = format!(
        "select count(*) > 0 from pg_locks
        where mode = 'AccessExclusiveLock'
          and database = (select oid from pg_database where datname = '{name}')"
    );
    let other = usher_tests::connect(&pair.primary.url("postgres")).await;
    // Pushes what was written so far to the replica.
    other
        .batch_execute("create table pushed (); drop table pushed")
        .await
        .unwrap();
    let replica = pair.replica.admin().await.unwrap();
    pair::eventually("the lock is replayed", &replica, &held).await;
    pair.pause().await;
    owner.batch_execute("rollback").await.unwrap();
}

#[tokio::test]
async fn what_the_replica_cannot_answer_the_primary_does() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    lock_on_the_replica(&pair, &t, "users").await;
    // The role waits two seconds for a lock.
    let answer = t.admin().get("/api/users").await;
    answer.expect(200);
    assert_eq!(outcome(&answer), "failed");
}

#[tokio::test]
async fn what_is_too_much_for_the_replica_is_not_put_on_the_primary() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    let name = t.database_name();
    t.execute(&format!(
        "alter role usher_app in database {name} set lock_timeout = 0"
    ))
    .await;
    lock_on_the_replica(&pair, &t, "users").await;
    let answer = t.admin().get("/api/users").await;
    assert_eq!(answer.problem(503), "database-unavailable");
    assert_eq!(outcome(&answer), "used");
}

#[tokio::test]
async fn whoever_does_not_learn_how_a_change_ended_is_answered_by_the_primary() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    let admin = t.admin();
    let _blocker = t.lock("audit_logs").await;
    let ended = "select count(pg_terminate_backend(pid)) > 0 from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let owner = usher_tests::connect(t.url()).await;
    let change = json!({ "name": "Renamed" });
    let (answer, ()) = tokio::join!(
        admin.patch("/api/users/4", change),
        pair::eventually("the change waits and is ended", &owner, ended)
    );
    assert_eq!(answer.problem(503), "database-unavailable");
    assert_eq!(answer.header(TOKEN), "ffffffffffffffff");
    let reader = t.admin().with_header(TOKEN, answer.header(TOKEN));
    let answer = reader.get("/api/users").await;
    answer.expect(200);
    assert_eq!(outcome(&answer), "behind");
}
