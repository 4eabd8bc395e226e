//! A function whose process stands still for a while, and what becomes of its connections meanwhile.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use usher_tests::{
    TestApp, Wire,
    processes::{Client, Instance, flow, function, server},
};

/// Longer than the connections of an unused pool are kept.
const LONG: Duration = Duration::from_secs(31);
/// Shorter than that, and longer than they are trusted without asking.
const SHORT: Duration = Duration::from_secs(3);

/// A function that has connections, and somebody signed in.
struct Warm {
    instance: Instance,
    client: Client,
    session: Value,
}

impl Warm {
    async fn start(name: &str, url: &str) -> Self {
        let instance = function(name, url);
        let client = instance.client();
        let session = flow::sign_in(&client).await;
        let token = session["accessToken"].as_str().unwrap();
        // So many at once that the pool opens all its connections.
        let mut running = JoinSet::new();
        for _ in 0..24 {
            let (client, token) = (client.clone(), token.to_owned());
            running.spawn(async move { client.get("/api/users", &token).await.status });
        }
        assert_eq!(running.join_all().await, [200; 24]);
        Self {
            instance,
            client,
            session,
        }
    }

    /// Sends a change, which is never sent twice, and returns how long it took to succeed.
    async fn refreshes(&mut self) -> Duration {
        let started = Instant::now();
        let token = json!({ "refreshToken": self.session["refreshToken"] });
        let answer = self.client.post("/api/auth/refresh", "", &token).await;
        self.session = answer.expect(200);
        started.elapsed()
    }
}

/// Starts an instance of our own beside the function, to look into its database.
async fn look() -> (TestApp, String) {
    let database = server::plain().await.database().await;
    let url = database.url_as("usher_app");
    (TestApp::on(database, &[]).await, url)
}

/// Returns the processes of the server that work for the function.
async fn backends(t: &TestApp) -> Vec<i32> {
    let statement = "select coalesce(jsonb_agg(pid), '[]') from pg_stat_activity
        where application_name = 'usher' and datname = current_database()";
    let found = t.sql(statement, &[]).await;
    serde_json::from_value(found).unwrap()
}

/// Processes of the server that stand still until this is dropped.
struct Stopped(Vec<i32>);

impl Stopped {
    fn stop(processes: Vec<i32>) -> Self {
        let stopped = Self(processes);
        stopped.signal(Signal::STOP);
        stopped
    }

    fn signal(&self, signal: Signal) {
        for process in &self.0 {
            kill_process(Pid::from_raw(*process).unwrap(), signal).unwrap();
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_long_freeze_the_first_request_succeeds_though_the_server_hung_up() {
    let (t, url) = look().await;
    let mut warm = Warm::start("frozen-long", &url).await;
    assert_eq!(backends(&t).await.len(), 3);
    warm.instance.freeze();
    t.hang_up().await;
    sleep(LONG).await;
    warm.instance.thaw();
    warm.refreshes().await;
    warm.instance.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_long_freeze_no_time_is_lost_with_connections_that_lead_nowhere() {
    let (_t, url) = look().await;
    let wire = Wire::to(&url).await;
    let url = format!("{}?connection_limit=8", wire.along(&url));
    let mut warm = Warm::start("frozen-nowhere", &url).await;
    assert_eq!(wire.take().connections, 8);
    warm.instance.freeze();
    wire.die();
    wire.revive();
    sleep(LONG).await;
    warm.instance.thaw();
    let took = warm.refreshes().await;
    // To ask each of them for a sign of life would have taken a quarter of a second each.
    assert!(took < Duration::from_millis(1500), "{took:?}");
    warm.instance.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_short_freeze_the_first_request_succeeds_though_the_server_hung_up() {
    let (t, url) = look().await;
    let mut warm = Warm::start("frozen-short", &url).await;
    warm.instance.freeze();
    t.hang_up().await;
    sleep(SHORT).await;
    warm.instance.thaw();
    warm.refreshes().await;
    warm.instance.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_process_that_stands_still_costs_one_request_at_most() {
    let (t, url) = look().await;
    let mut warm = Warm::start("silent-server", &url).await;
    let _stopped = Stopped::stop(backends(&t).await);
    let started = Instant::now();
    let token = warm.session["accessToken"].as_str().unwrap();
    let answer = warm.client.get("/api/me", token).await;
    // On a slow machine more than a second has passed: then it is asked for a sign of life first, and replaced.
    if answer.status != 200 {
        assert_eq!(answer.expect(503)["code"], "database-unavailable");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    // The others were not used for a while, are asked, and replaced.
    warm.refreshes().await;
    warm.instance.stop();
}
