//! Connections that end at any moment, and more instances than the server has connections for.

use std::time::{Duration, Instant};

use tokio::{task::JoinSet, time::sleep};
use tokio_postgres::{Client, NoTls, error::SqlState};

use crate::{
    asks::Ask,
    catalogue::{ENDED_CONNECTIONS, TOO_MANY_INSTANCES},
    readers::Readers,
    stage::{SLACK, Stage, addresses},
    writers::Writers,
};

/// The pause between two connections that are ended.
const PAUSE: Duration = Duration::from_millis(50);

/// Ends one connection of the product after the other, for some time, and returns how many.
async fn end_connections(client: &Client, during: Duration) -> usize {
    let statement = "select pg_terminate_backend(pid)
        from (
          select pid
          from pg_stat_activity
          where usename = 'usher_app'
          order by random()
          limit 1
        ) as victim";
    let started = Instant::now();
    let mut ended = 0;
    while started.elapsed() < during {
        ended += client.query(statement, &[]).await.unwrap().len();
        sleep(PAUSE).await;
    }
    ended
}

mod ended {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn connections_that_end_at_any_moment_are_hardly_noticed() {
        let fault = &ENDED_CONNECTIONS;
        let stage = Stage::start().await;
        let instances = [stage.serve().await, stage.serve().await];
        let addresses = addresses(&instances);
        let client = stage.client().await;
        let writers = Writers::start(&stage, 4, &addresses).await;
        let readers = Readers::start(&stage, 4, &addresses, Duration::from_millis(20));
        let seconds = u64::try_from(fault.size()).unwrap();
        let ended = end_connections(&client, Duration::from_secs(seconds)).await;
        let readings = readers.finish().await;
        let account = writers.finish().await.check(&client).await;
        account.assert_clean();
        assert!(readings.strange.is_empty(), "{:?}", readings.strange);
        assert!(readings.share() >= 0.999, "{readings:?}");
        fault.saw(&format!(
            "{ended} connections ended; {:.2} % of {} reads answered; {account}",
            readings.share() * 100.0,
            readings.done + readings.put_off
        ));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_reader_that_does_not_try_again_notices() {
        let stage = Stage::start().await;
        let client = stage.client().await;
        let url = stage.app_url();
        let reads = async {
            let (mut driven, mut done, mut failed) = (JoinSet::new(), 0, 0);
            let started = Instant::now();
            let is_over = || started.elapsed() > Duration::from_secs(3);
            while !is_over() {
                let Ok((reader, connection)) = tokio_postgres::connect(&url, NoTls).await else {
                    failed += 1;
                    continue;
                };
                driven.spawn(connection);
                let read = "select name from users where id = 1";
                while !is_over() && reader.query(read, &[]).await.is_ok() {
                    done += 1;
                    sleep(Duration::from_millis(5)).await;
                }
                failed += usize::from(!is_over());
            }
            (done, failed)
        };
        let end = end_connections(&client, Duration::from_secs(3));
        let ((done, failed), _) = tokio::join!(reads, end);
        assert!(failed * 1000 > done, "{failed} of {done} is not many");
        ENDED_CONNECTIONS.saw_wrong(&format!("{failed} of {} reads failed", done + failed));
    }
}

mod many {
    use super::*;

    /// What a request may take.
    const LIMIT: Duration = Duration::from_secs(3).saturating_add(SLACK);

    /// How soon after the load every instance must serve.
    const RECOVERY: Duration = Duration::from_secs(5).saturating_add(SLACK);

    /// Starts a server that has room for this many connections; three more are kept for the owner.
    async fn with_room_for(connections: usize) -> Stage {
        Stage::with(&[&format!("max_connections = {}", connections + 3)]).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn instances_beyond_the_limit_of_the_server_put_off_and_recover() {
        let fault = &TOO_MANY_INSTANCES;
        let stage = with_room_for(fault.size()).await;
        let mut instances = Vec::new();
        for _ in 0..fault.size() {
            instances.push(stage.serve().await);
        }
        let addresses = addresses(&instances);
        let writers = Writers::start(&stage, 4, &addresses).await;
        let readers = Readers::start(&stage, 4 * instances.len(), &addresses, Duration::ZERO);
        sleep(Duration::from_secs(6)).await;
        let readings = readers.finish().await;
        let ledger = writers.finish().await;
        let ended = Instant::now();
        for address in addresses {
            while !Ask::get("/api/health/ready").to(address).await.is_done() {
                assert!(ended.elapsed() < RECOVERY, "{address} does not recover");
                sleep(Duration::from_millis(10)).await;
            }
        }
        let back = ended.elapsed();
        let account = ledger.check(&stage.client().await).await;
        account.assert_clean();
        assert!(readings.strange.is_empty(), "{:?}", readings.strange);
        assert!(readings.put_off > 0, "the server had room for all");
        let slowest = readings.slowest.max(account.slowest);
        assert!(slowest < LIMIT, "{slowest:?}");
        fault.saw(&format!(
            "{} reads answered and {} put off, after {:.1} s at most; {account}; all back after {:.1} s",
            readings.done,
            readings.put_off,
            slowest.as_secs_f64(),
            back.as_secs_f64()
        ));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn callers_with_a_connection_each_are_refused() {
        let room = 12;
        let stage = with_room_for(room).await;
        let url = stage.app_url();
        let mut callers = JoinSet::new();
        for _ in 0..4 * room {
            let url = url.clone();
            callers.spawn(async move {
                let connected = tokio_postgres::connect(&url, NoTls).await;
                let (client, connection) = connected.map_err(|error| error.code().cloned())?;
                let ask = client.query("select pg_sleep(0.5)", &[]);
                let answer = tokio::select! {
                    answer = ask => answer.map(drop),
                    ended = connection => ended,
                };
                answer.map_err(|error| error.code().cloned())
            });
        }
        let all = callers.join_all().await;
        let is_refused = |end: &&Result<(), _>| **end == Err(Some(SqlState::TOO_MANY_CONNECTIONS));
        let refused = all.iter().filter(is_refused).count();
        assert!(refused > 0, "{all:?}");
        TOO_MANY_INSTANCES.saw_wrong(&format!("{refused} of {} callers got an error", all.len()));
    }
}
