//! The connections of an instance: none before they are needed, few, and none that is not trusted.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use usher_core::Connection;
use usher_tests::{PASSWORD, TestApp, Wire, database};

/// Takes three connections out at the same time, so that there are as many.
async fn three(t: &TestApp) -> [Connection; 3] {
    let take = || async { t.app.database.connection().await.unwrap() };
    let (first, second, third) = tokio::join!(take(), take(), take());
    [first, second, third]
}

/// Lets as many connections to the database of the test as this; -1 for any number.
async fn limit(t: &TestApp, connections: i32) {
    let statement = "do $$ begin execute format('alter database %I with connection limit N', current_database()); end $$";
    t.execute(&statement.replace('N', &connections.to_string()))
        .await;
}

#[tokio::test]
async fn nothing_is_connected_before_the_first_statement() {
    let (t, wire) = TestApp::on_a_wire().await;
    for path in ["/api/health/live", "/api/auth/jwks"] {
        t.anonymous().get(path).await.expect(200);
    }
    t.anonymous().get("/api/me").await.problem(401);
    assert_eq!(wire.take().connections, 0);
    t.admin().get("/api/me").await.expect(200);
    assert_eq!(wire.take().connections, 1);
}

#[tokio::test]
async fn many_requests_at_once_share_three_connections() {
    let (t, wire) = TestApp::on_a_wire().await;
    let mut running = JoinSet::new();
    for _ in 0..24 {
        let member = t.member();
        running.spawn(async move { member.get("/api/me").await.status() });
    }
    assert_eq!(running.join_all().await, [200; 24]);
    assert_eq!(wire.take().connections, 3);
    assert_eq!(t.app.database.figures().idle, 3);
}

#[tokio::test]
async fn the_connection_used_last_is_used_next() {
    let t = TestApp::start().await;
    drop(three(&t).await);
    let since = t.sql("select clock_timestamp()", &[]).await;
    for _ in 0..6 {
        t.admin().get("/api/users").await.expect(200);
    }
    // The others grow old, and can be closed.
    let used = "select count(*)::int from pg_stat_activity
        where application_name = 'usher' and datname = current_database() and query_start > $1::text::timestamptz";
    let used = t.sql(used, &[&since.as_str().unwrap()]).await;
    assert_eq!((used, t.app.database.figures().open), (json!(1), 3));
}

#[tokio::test]
async fn an_instance_that_started_before_its_database_finds_it_later() {
    let database = database::create().await;
    let server = database.url().to_owned();
    let wire = Wire::to(&server).await;
    let (address, url) = (
        wire.address().to_owned(),
        wire.along(&database.url_as("usher_app")),
    );
    drop(wire);
    let t = TestApp::on(database, &[("DATABASE_URL", &url)]).await;
    for _ in 0..3 {
        t.admin().get("/api/me").await.problem(503);
    }
    let _wire = Wire::from(&address, &server).await;
    t.admin().get("/api/me").await.expect(200);
}

#[tokio::test]
async fn a_server_without_room_is_told_apart_and_tried_again() {
    let t = TestApp::with(&[("USHER_ENV", "development")]).await;
    limit(&t, 0).await;
    let answer = t.admin().get("/api/me").await;
    assert_eq!(answer.problem(503), "database-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let report = t.anonymous().get("/api/health").await.expect(503);
    let detail = report["detail"].as_str().unwrap();
    assert!(
        detail.contains("(53300); put a pooler before it"),
        "{detail}"
    );
    limit(&t, -1).await;
    t.admin().get("/api/me").await.expect(200);
}

#[tokio::test]
async fn an_instance_with_every_connection_in_use_says_so() {
    let t = TestApp::with(&[("USHER_ENV", "development")]).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(t.app.database.connection().await.unwrap());
    }
    let started = Instant::now();
    let answer = t.anonymous().get("/api/health").await;
    assert_eq!(answer.problem(503), "database-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(started.elapsed() < Duration::from_secs(3));
    let detail = answer.body()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("raise connection_limit"), "{detail}");
    drop(held);
    t.admin().get("/api/me").await.expect(200);
}

#[tokio::test]
async fn connections_that_were_all_closed_meanwhile_cost_nobody_an_error() {
    let t = TestApp::start().await;
    let session = t.anonymous().sign_in("member@example.com", PASSWORD).await;
    let refresh = json!({ "refreshToken": session.expect(200)["refreshToken"] });
    for round in 0..3 {
        drop(three(&t).await);
        t.hang_up().await;
        match round {
            0 => t.admin().get("/api/users").await,
            1 => {
                t.admin()
                    .patch("/api/users/4", json!({ "name": "Somebody" }))
                    .await
            }
            _ => {
                t.anonymous()
                    .post("/api/auth/refresh", refresh.clone())
                    .await
            }
        }
        .expect(200);
        assert_eq!(t.app.database.figures().open, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_connection_that_goes_dead_is_given_up_in_time_and_the_next_request_works() {
    let (t, wire) = TestApp::on_a_wire().await;
    t.admin().get("/api/me").await.expect(200);
    wire.die();
    let started = Instant::now();
    let change = json!({ "name": "Somebody" });
    let answer = t.admin().patch("/api/users/4", change.clone()).await;
    assert_eq!(answer.problem(503), "database-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(t.app.database.figures().open, 0);
    wire.revive();
    t.admin().patch("/api/users/4", change).await.expect(200);
}

#[tokio::test]
async fn a_connection_that_was_idle_is_asked_for_a_sign_of_life() {
    let (t, wire) = TestApp::on_a_wire().await;
    t.admin().get("/api/me").await.expect(200);
    wire.take();
    let pause = Duration::from_millis(1100);
    tokio::time::sleep(pause).await;
    t.admin().get("/api/me").await.expect(200);
    let asked = wire.take();
    assert_eq!(
        (asked.connections, asked.signs_of_life, asked.waits),
        (0, 1, 1)
    );
    // The one that does not answer is replaced, within the request.
    tokio::time::sleep(pause).await;
    wire.die();
    wire.revive();
    let started = Instant::now();
    let change = json!({ "name": "Somebody" });
    t.admin().patch("/api/users/4", change).await.expect(200);
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}
