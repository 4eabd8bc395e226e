//! A process that is told to stop finishes what it has begun, and then ends at once.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::block_in_place;
use usher_tests::{
    TestApp,
    processes::{Client, Plain, client::Answer, flow, function, process::settings, server},
};

/// Well below the ten seconds that a function waits for another request.
const SOON: Duration = Duration::from_secs(5);

async fn database() -> (TestApp, String) {
    let database = server::plain().await.database().await;
    let url = database.url_as("usher_app");
    (TestApp::on(database, &[]).await, url)
}

/// Changes something that is locked. `stop` is called once the change waits for the lock, which is released then.
async fn change_while(t: &TestApp, client: &Client, stop: impl FnOnce()) -> Answer {
    let session = flow::sign_in(client).await;
    let token = session["accessToken"].as_str().unwrap().to_owned();
    let lock = t.lock("audit_logs").await;
    let change = json!({ "name": "Somebody" });
    let request = client.patch("/api/users/4", &token, "\"1\"", &change);
    let stop = async {
        let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while t.count(waits).await == 0 {}
        stop();
        // Long enough that a process which did not wait would have gone.
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(lock);
    };
    tokio::join!(request, stop).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_finishes_what_it_has_begun() {
    let (t, url) = database().await;
    let instance = function("stopped", &url);
    let client = instance.client();
    let answer = change_while(&t, &client, || instance.terminate()).await;
    let stopped = Instant::now();
    assert_eq!(answer.expect(200)["name"], "Somebody");
    block_in_place(|| instance.has_ended());
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_waits_for_another_request_ends_at_once() {
    let (_t, url) = database().await;
    let instance = function("stopped-idle", &url);
    flow::sign_in(&instance.client()).await;
    let stopped = Instant::now();
    block_in_place(|| instance.stop());
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_listener_finishes_what_it_has_begun() {
    let (t, url) = database().await;
    let plain = Plain::start("stopped-plain", &settings(&url)).await;
    let client = plain.client();
    let terminate = || plain.process.signal(rustix::process::Signal::TERM);
    let answer = change_while(&t, &client, terminate).await;
    let stopped = Instant::now();
    assert_eq!(answer.expect(200)["name"], "Somebody");
    let status = block_in_place(|| plain.process.ended());
    assert!(status.success(), "{status}");
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
}
