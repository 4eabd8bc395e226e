//! A database that is away, silent or overrun: 503 with Retry-After in time, and recovery without a restart.

use std::time::{Duration, Instant};

use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::{JoinSet, yield_now},
};
use usher_domain::PasswordAttempt;
use usher_tests::{Answer, PASSWORD, TestApp};

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.problem(503), "database-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(
        !answer.text().contains("connect"),
        "nothing of the cause is told: {}",
        answer.text()
    );
}

#[tokio::test]
async fn a_database_that_comes_back_is_used_again() {
    let t = TestApp::start().await;
    let admin = t.admin();
    admin.get("/api/users").await.expect(200);
    t.shut_out().await;
    for path in [
        "/api/users",
        "/api/me",
        "/api/health",
        "/api/health/ready",
        "/api/audit-logs",
    ] {
        let started = Instant::now();
        assert_unavailable(&admin.get(path).await);
        assert!(started.elapsed() < Duration::from_secs(3), "{path}");
    }
    assert_unavailable(&t.anonymous().sign_in("admin@example.com", PASSWORD).await);
    admin.get("/api/health/live").await.expect(200);
    t.let_in().await;
    admin.get("/api/users").await.expect(200);
    t.anonymous()
        .sign_in("admin@example.com", PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_read_survives_a_connection_that_was_closed_meanwhile() {
    let t = TestApp::start().await;
    let admin = t.admin();
    for _ in 0..5 {
        admin.get("/api/users").await.expect(200);
        t.hang_up().await;
        admin.get("/api/users/4").await.expect(200);
    }
}

#[tokio::test]
async fn a_silent_database_is_given_up_in_time() {
    // It accepts the connection and says nothing, like a host behind a dropped route.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/none", silent.local_addr().unwrap());
    let t = TestApp::with(&[("DATABASE_URL", &url)]).await;
    let started = Instant::now();
    assert_unavailable(&t.admin().get("/api/me").await);
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_closed_port_is_told_at_once() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/none");
    let t = TestApp::with(&[("DATABASE_URL", &url)]).await;
    assert_unavailable(
        &t.admin()
            .request_without_body(&Method::POST, "/api/auth/logout")
            .await,
    );
    assert_unavailable(&t.anonymous().get("/api/health/ready").await);
}

#[tokio::test]
async fn an_abandoned_statement_spoils_no_connection() {
    let t = TestApp::start().await;
    let blocker = t.lock("users").await;
    // The caller goes away while the statement waits for the lock.
    let admin = t.admin();
    let request = admin.patch("/api/users/4", serde_json::json!({ "name": "Late" }));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), request)
            .await
            .is_err()
    );
    assert_eq!(
        t.app.database.figures().idle,
        0,
        "the connection that waits is not given to the next"
    );
    drop(blocker);
    t.admin().get("/api/me").await.expect(200);
}

#[tokio::test]
async fn an_abandoned_statement_ends_in_the_server_by_itself() {
    let t = TestApp::start().await;
    let _blocker = t.lock("users").await;
    let admin = t.admin();
    let request = admin.patch("/api/users/4", serde_json::json!({ "name": "Late" }));
    let given_up = tokio::time::timeout(Duration::from_millis(300), request).await;
    assert!(given_up.is_err());
    let started = Instant::now();
    let running = "select count(*) from pg_stat_activity
        where application_name = 'usher' and datname = current_database()";
    assert_eq!(t.count(running).await, 1, "the server has not noticed");
    // The limits of the role: two seconds for a lock, five for a statement.
    while t.count(running).await > 0 {
        assert!(started.elapsed() < Duration::from_secs(6));
    }
}

#[tokio::test]
async fn a_locked_table_is_told_before_the_deadline() {
    let t = TestApp::start().await;
    let _blocker = t.lock("users").await;
    let started = Instant::now();
    assert_unavailable(&t.admin().get("/api/me").await);
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_refuses_tls_is_told_nothing() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    let url = format!("postgres://somebody:hunter2@{address}/none?sslmode=verify-full");
    let t = TestApp::with(&[("DATABASE_URL", &url)]).await;
    let server = async {
        let (mut stream, _) = plain.accept().await.unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request[4..], 80_877_103_u32.to_be_bytes(), "asks for TLS");
        stream.write_all(b"N").await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        rest
    };
    let admin = t.admin();
    let (answer, rest) = tokio::join!(admin.get("/api/me"), server);
    assert_unavailable(&answer);
    assert!(rest.is_empty(), "neither name nor password was sent");
}

#[tokio::test]
async fn who_signs_in_while_too_many_wait_is_told_to_come_again_and_nobody_else_is() {
    // One hash takes as long as thirty usual ones, so that nobody leaves the queue meanwhile.
    let t = TestApp::with(&[("USHER_ARGON2", "m=65536,t=16,p=1")]).await;
    let mut waiting = JoinSet::new();
    // Once somebody is refused, there is no place left.
    let full = loop {
        let passwords = t.app.passwords.clone();
        waiting.spawn(async move {
            let attempt = PasswordAttempt::parse("not the password").unwrap();
            passwords.verify(attempt, None).await.is_err()
        });
        yield_now().await;
        if let Some(is_refused) = waiting.try_join_next() {
            break is_refused.unwrap();
        }
    };
    assert!(full);
    let answer = t.anonymous().sign_in("member@example.com", PASSWORD).await;
    assert_eq!(answer.problem(503), "busy");
    assert_eq!(answer.header("retry-after"), "1");
    t.member().get("/api/me").await.expect(200);
}
