//! What a function does with its connections before the platform suspends it.

use std::time::{Duration, Instant};

use tokio::task::block_in_place;
use usher_tests::{
    TestApp,
    processes::{flow, function, server},
};

const CONNECTIONS: &str = "select count(*) from pg_stat_activity
    where application_name = 'usher' and datname = current_database()";

#[tokio::test(flavor = "multi_thread")]
async fn the_last_request_of_a_burst_ends_when_its_connections_are_closed() {
    let database = server::plain().await.database().await;
    let url = database.url_as("usher_app");
    let t = TestApp::on(database, &[]).await;
    let mut instance = function("idle", &url);
    let client = instance.client();
    let started = Instant::now();
    client.get("/api/auth/jwks", "").await.expect(200);
    assert_eq!(block_in_place(|| instance.next_end()), 1);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "nothing to close"
    );
    let session = flow::sign_in(&client).await;
    let token = session["accessToken"].as_str().unwrap();
    client.get("/api/users", token).await.expect(200);
    let answered = Instant::now();
    assert_eq!(
        t.count(CONNECTIONS).await,
        1,
        "it stays for the next request"
    );
    // The second request relieves the first one of its wait.
    assert_eq!(block_in_place(|| instance.next_end()), 2);
    assert!(answered.elapsed() < Duration::from_secs(5));
    assert_eq!(block_in_place(|| instance.next_end()), 3);
    instance.freeze();
    let waited = answered.elapsed();
    assert!(
        (Duration::from_secs(9)..Duration::from_secs(15)).contains(&waited),
        "{waited:?}"
    );
    // What has not left the process by now never will: it is frozen.
    let start = Instant::now();
    while t.count(CONNECTIONS).await > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "still connected");
    }
    instance.thaw();
    client.get("/api/users", token).await.expect(200);
    instance.stop();
}
