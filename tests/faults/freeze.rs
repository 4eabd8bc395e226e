//! An instance is frozen in the middle of changes. `tests/lifecycle` has those that are frozen between requests.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio_postgres::Client;
use usher_tests::Person;

use crate::{asks::Ask, catalogue::FROZEN_INSTANCE, stage::Stage, writers::Writers};

/// Longer than anybody may be kept waiting by somebody else who is frozen.
const LIMIT: Duration = Duration::from_secs(5);

/// Ends the connections of an instance from the side of the server.
async fn hang_up(client: &Client, name: &str) {
    let statement = "select pg_terminate_backend(pid)
        from pg_stat_activity
        where application_name = $1";
    client.query(statement, &[&name]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_instance_that_is_frozen_in_the_middle_of_changes_holds_nobody_up() {
    let stage = Stage::start().await;
    // Its connections can be told from those of others.
    let url = format!("{}?application_name=frozen", stage.app_url());
    let frozen = stage.serve_with(&url, &[]).await;
    let awake = stage.serve().await;
    let client = stage.client().await;
    client
        .batch_execute("set lock_timeout = '5s'")
        .await
        .unwrap();
    let there = Writers::start(&stage, 4, &[frozen.address()]).await;
    let here = Writers::start(&stage, 2, &[awake.address()]).await;
    let mut slowest = Duration::ZERO;
    for number in 0..FROZEN_INSTANCE.size() {
        there.work(5).await;
        frozen.process.signal(Signal::STOP);
        if number % 2 == 0 {
            hang_up(&client, "frozen").await;
        }
        // The frozen instance is in the middle of a change of somebody; all of them are changed here.
        let started = Instant::now();
        let ask = Ask::patch("/api/users/4", json!({ "name": format!("Name {number}") }));
        let ask = ask.with_token(&stage.token(Person::Admin));
        ask.to(awake.address()).await.expect(200);
        let update = "update users set updated_at = now() where email like 'w%'";
        client.execute(update, &[]).await.unwrap();
        slowest = slowest.max(started.elapsed());
        here.work(5).await;
        frozen.process.signal(Signal::CONT);
    }
    let account = there.finish().await.check(&client).await;
    let others = here.finish().await.check(&client).await;
    account.assert_clean();
    others.assert_clean();
    slowest = slowest.max(others.slowest);
    assert!(slowest < LIMIT, "{slowest:?}");
    FROZEN_INSTANCE.saw(&format!(
        "others waited {} ms at most; {account}",
        slowest.as_millis()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_that_is_left_open_in_a_freeze_holds_others_up() {
    let stage = Stage::start().await;
    let awake = stage.serve().await;
    let frozen = stage.client().await;
    let begun = "begin; update users set name = 'Frozen' where id = 4";
    frozen.batch_execute(begun).await.unwrap();
    let started = Instant::now();
    let mut tries = 0;
    while started.elapsed() < LIMIT {
        let ask = Ask::patch("/api/users/4", json!({ "name": "Awake" }));
        let ask = ask.with_token(&stage.token(Person::Admin));
        let reply = ask.to(awake.address()).await;
        assert!(reply.is_put_off(), "{reply:?}");
        tries += 1;
    }
    frozen.batch_execute("rollback").await.unwrap();
    FROZEN_INSTANCE.saw_wrong(&format!(
        "nobody else could change the user for as long as it slept; {tries} tries in 5 s failed"
    ));
}
