//! The wire between the instances and the server is slow, dead, or cut.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;
use usher_tests::database::connect;

use crate::{
    asks::Ask,
    catalogue::{BROKEN_WIRE, Fault, SLOW_WIRE},
    proxy::{Proxy, Weather},
    readers::Readers,
    stage::{SLACK, Stage, addresses},
    writers::Writers,
};

/// What a request may take.
const DEADLINE: Duration = Duration::from_secs(8).saturating_add(SLACK);

/// After the fault all must be well within this time.
const RECOVERY: Duration = Duration::from_secs(5).saturating_add(SLACK);

/// Sends weather over the wire under callers who read and write, and checks that none of them waits too long, that
/// nothing is lost, and that all is well soon afterwards.
async fn endure(fault: &Fault, weather: impl AsyncFnOnce(&Proxy)) {
    let stage = Stage::start().await;
    let proxy = Proxy::to_server(&stage.app_url()).await;
    let url = proxy.along(&stage.app_url());
    let instances = [
        stage.serve_with(&url, &[]).await,
        stage.serve_with(&url, &[]).await,
    ];
    let addresses = addresses(&instances);
    let writers = Writers::start(&stage, 4, &addresses).await;
    let readers = Readers::start(&stage, 4, &addresses, Duration::from_millis(10));
    weather(&proxy).await;
    proxy.set(Weather::Fair);
    let cleared = Instant::now();
    for address in addresses {
        while !Ask::get("/api/health/ready").to(address).await.is_done() {}
    }
    let back = cleared.elapsed();
    let readings = readers.finish().await;
    let client = stage.client().await;
    let account = writers.finish().await.check(&client).await;
    account.assert_clean();
    assert!(readings.strange.is_empty(), "{:?}", readings.strange);
    let slowest = readings.slowest.max(account.slowest);
    assert!(slowest < DEADLINE, "{slowest:?}");
    assert!(back < RECOVERY, "{back:?}");
    let count = "select count(*) from pg_stat_activity where usename = 'usher_app'";
    let open: i64 = client.query_one(count, &[]).await.unwrap().get(0);
    assert!(
        open <= 6,
        "{open} connections are open, two times three may be"
    );
    fault.saw(&format!(
        "no answer took longer than {:.1} s; {} of {} reads put off; {account}; back after {} ms",
        slowest.as_secs_f64(),
        readings.put_off,
        readings.put_off + readings.done,
        back.as_millis()
    ));
}

fn seconds(count: usize) -> Duration {
    Duration::from_secs(count.try_into().unwrap())
}

mod slow {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_waits_beyond_the_deadline_on_a_slow_wire() {
        endure(&SLOW_WIRE, async |proxy| {
            for delay in [50, 200, 1000, 5000] {
                proxy.set(Weather::Slow(Duration::from_millis(delay)));
                sleep(seconds(SLOW_WIRE.size())).await;
            }
            proxy.set(Weather::Sliced);
            sleep(seconds(SLOW_WIRE.size())).await;
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn without_time_limits_the_wait_has_no_end() {
        let stage = Stage::start().await;
        let slow = Proxy::to_server(&stage.app_url()).await;
        let dead = Proxy::to_server(&stage.app_url()).await;
        let [slow_url, dead_url] = [&slow, &dead].map(|proxy| proxy.along(&stage.app_url()));
        let (on_slow, on_dead) = (connect(&slow_url).await, connect(&dead_url).await);
        slow.set(Weather::Slow(Duration::from_secs(6)));
        dead.set(Weather::Dead);
        let (connected, answered, answered_at_all) = tokio::join!(
            timeout(DEADLINE, tokio_postgres::connect(&slow_url, NoTls)),
            timeout(DEADLINE, on_slow.query("select 1", &[])),
            timeout(DEADLINE, on_dead.query("select 1", &[])),
        );
        let seconds = DEADLINE.as_secs();
        assert!(connected.is_err() && answered.is_err());
        SLOW_WIRE.saw_wrong(&format!(
            "neither a connection nor an answer within {seconds} s"
        ));
        assert!(answered_at_all.is_err());
        BROKEN_WIRE.saw_wrong(&format!("no answer and no error within {seconds} s"));
    }
}

mod broken {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_wire_that_is_dead_or_cut_loses_nothing_and_holds_nobody_up() {
        endure(&BROKEN_WIRE, async |proxy| {
            proxy.set(Weather::Dead);
            sleep(seconds(BROKEN_WIRE.size())).await;
            let started = Instant::now();
            for cut in (0..).step_by(7) {
                proxy.set(Weather::CutAfter(cut % 400));
                sleep(Duration::from_millis(20)).await;
                proxy.set(Weather::Fair);
                sleep(Duration::from_millis(60)).await;
                if started.elapsed() > seconds(BROKEN_WIRE.size()) {
                    break;
                }
            }
        })
        .await;
    }
}
