//! The server is killed, whole or in part, while changes are made.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    asks::Ask,
    catalogue::{Fault, KILLED_BACKEND, KILLED_SERVER},
    stage::{Stage, addresses},
    victims::signal,
    writers::Writers,
};

/// How many changes there are between two kills.
const BETWEEN: usize = 100;

/// How often the wrong variant is given a chance to lose something.
const CHANCES: usize = 10;

type Kill = fn(&mut Stage, usize);

fn kill_server(stage: &mut Stage, _: usize) {
    stage.kill();
    stage.revive();
}

/// The server notices, ends its other processes and recovers by itself.
fn kill_backend(stage: &mut Stage, round: usize) {
    let backends = stage.backends();
    signal(backends[round % backends.len()], Signal::KILL);
}

mod server {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_was_acknowledged_survives_a_server_that_is_killed() {
        survives(&KILLED_SERVER, kill_server).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn without_synchronous_commit_a_server_that_is_killed_forgets() {
        forgets(&KILLED_SERVER, kill_server).await;
    }
}

mod backend {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_was_acknowledged_survives_a_backend_that_is_killed() {
        survives(&KILLED_BACKEND, kill_backend).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn without_synchronous_commit_a_backend_that_is_killed_makes_the_server_forget() {
        forgets(&KILLED_BACKEND, kill_backend).await;
    }
}

async fn survives(fault: &Fault, kill: Kill) {
    let mut stage = Stage::start().await;
    let instances = [stage.serve().await, stage.serve().await];
    let addresses = addresses(&instances);
    let writers = Writers::start(&stage, 8, &addresses).await;
    let mut slowest = Duration::ZERO;
    for round in 0..fault.size() {
        writers.work(BETWEEN).await;
        kill(&mut stage, round);
        stage.accepts().await;
        slowest = slowest.max(are_back(&addresses).await);
    }
    let account = writers.finish().await.check(&stage.client().await).await;
    account.assert_clean();
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    fault.saw(&format!(
        "{account}; instances back after {} ms at most",
        slowest.as_millis()
    ));
    stage.check_pages();
}

/// Waits until every instance serves again, and returns how long that took.
async fn are_back(addresses: &[SocketAddr]) -> Duration {
    let started = Instant::now();
    for &address in addresses {
        while !Ask::get("/api/health/ready").to(address).await.is_done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    started.elapsed()
}

async fn forgets(fault: &Fault, kill: Kill) {
    let mut stage = Stage::with(&["synchronous_commit = off"]).await;
    let instance = stage.serve().await;
    for round in 0..CHANCES {
        let writers = Writers::start(&stage, 8, &[instance.address()]).await;
        writers.work(BETWEEN).await;
        kill(&mut stage, round);
        stage.accepts().await;
        let account = writers.finish().await.check(&stage.client().await).await;
        if account.lost > 0 {
            fault.saw_wrong(&format!(
                "{} of {} acknowledged changes lost",
                account.lost, account.acknowledged
            ));
            return;
        }
    }
    panic!("nothing was lost, so this test cannot tell");
}
