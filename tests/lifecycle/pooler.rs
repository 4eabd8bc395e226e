//! Behind a pooler in transaction mode, where each statement may meet another connection of the server.

use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::{Client, error::SqlState};
use usher_tests::{
    PASSWORD, TestApp, Wire, connect,
    processes::{Plain, flow, process::settings, server},
};

use crate::bouncer::Bouncer;

/// Connects to the pooler as the product does, but without its care.
async fn careless(bouncer: &Bouncer, t: &TestApp) -> Client {
    let (_, name) = t.url().rsplit_once('/').unwrap();
    let password = server::PASSWORD;
    let address = bouncer.address;
    connect(&format!("postgres://usher_app:{password}@{address}/{name}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_flow_works_through_a_pooler() {
    let server = server::plain().await;
    let (bouncer, database) = (Bouncer::start(server, 50).await, server.database().await);
    let plain = Plain::start("behind-pgbouncer", &settings(&bouncer.url(&database, ""))).await;
    flow::run(&plain.client(), "127.0.0.1").await;
    let status = plain.process.stop();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_connections_share_two_and_no_statement_is_lost() {
    let server = server::plain().await;
    let bouncer = Bouncer::start(server, 51).await;
    let url = |database: &_| bouncer.url(database, "connection_limit=12");
    // The sign-ins are of one account, and come at once.
    let limits = ("USHER_LIMITS", "login-pair=100,login-account=100");
    let t = server.instance(url, &[limits]).await;
    // That the pooler is one which loses what a careless client relies on.
    let (first, second) = (careless(&bouncer, &t).await, careless(&bouncer, &t).await);
    let prepared = first.prepare("select 1").await.unwrap();
    second.batch_execute("begin").await.unwrap();
    let lost = first.query(&prepared, &[]).await.unwrap_err();
    assert_eq!(
        lost.code(),
        Some(&SqlState::INVALID_SQL_STATEMENT_NAME),
        "{lost}"
    );
    second.batch_execute("rollback").await.unwrap();

    let mut running = JoinSet::new();
    for number in 0..144 {
        let (admin, member, anonymous) = (t.admin(), t.member(), t.anonymous());
        running.spawn(async move {
            match number % 18 {
                // Few: a sign-in is work for a processor.
                17 => anonymous.sign_in("helper@example.com", PASSWORD).await,
                _ => match number % 6 {
                    0 => admin.get("/api/users?q=member&count=exact").await,
                    1 => admin.get("/api/audit-logs?limit=5").await,
                    2 => {
                        let (name, email) =
                            (format!("User {number}"), format!("u{number}@example.com"));
                        admin
                            .post("/api/users", json!({ "name": name, "email": email }))
                            .await
                    }
                    3 => member.get("/api/me").await,
                    4 => anonymous.get("/api/health/ready").await,
                    _ => admin.get("/api/roles").await,
                },
            }
        });
    }
    let answers = running.join_all().await;
    for answer in &answers {
        assert!(answer.status() < 300, "{}", answer.text());
    }
    assert_eq!(t.app.database.figures().open, 12);
    let opened = "select count(*) from pg_stat_activity where usename = 'usher_app' and datname = current_database()";
    assert_eq!(t.count(opened).await, 2);
    assert_eq!(
        t.count("select count(*) from users where name like 'User %'")
            .await,
        24
    );
    let entries = "select count(*) from audit_logs where action in ('CREATE', 'LOGIN', 'READ') and request_id <> 'template'";
    assert_eq!(t.count(entries).await, 24 + 24 + 8);
}

#[tokio::test]
async fn a_pooler_is_recognised_and_nothing_gets_a_name() {
    let server = server::plain().await;
    let bouncer = Bouncer::start(server, 50).await;
    let wire = Wire::to(&format!("postgres://somebody@{}/any", bouncer.address)).await;
    let url = |database: &_| wire.along(&bouncer.url(database, ""));
    let t = server.instance(url, &[]).await;
    t.admin().get("/api/users/4").await.expect(200);
    wire.take();
    for number in 0..3 {
        let change = json!({ "name": format!("User {number}") });
        t.admin().patch("/api/users/4", change).await.expect(200);
        let asked = wire.take();
        assert_eq!((asked.waits, asked.named, asked.unnamed), (2, 0, 3));
    }
}

#[tokio::test]
async fn a_pooler_that_takes_no_more_clients_is_told_with_a_time_to_come_back() {
    let server = server::plain().await;
    let bouncer = Bouncer::start(server, 2).await;
    let t = server
        .instance(|database| bouncer.url(database, ""), &[])
        .await;
    let others = [careless(&bouncer, &t).await, careless(&bouncer, &t).await];
    let refused = t.anonymous().get("/api/health").await;
    assert_eq!(refused.problem(503), "database-unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    let detail = refused.body()["detail"].to_string();
    assert!(detail.contains("no more connections allowed"), "{detail}");
    for other in others {
        other.batch_execute("select 1").await.unwrap();
    }
    let started = std::time::Instant::now();
    // The pooler learns a moment later that they have gone.
    while t.admin().get("/api/me").await.status() != 200 {
        assert!(started.elapsed().as_secs() < 5);
    }
}
