//! Consistency tokens, and a replica that is not there. What a real one does is in `tests/replica`.

use serde_json::json;
use usher_tests::{TestApp, Wire, database};

const TOKEN: &str = "consistency-token";

/// A replica that nobody reaches.
const NOWHERE: (&str, &str) = ("DATABASE_REPLICA_URL", "postgres://nobody@127.0.0.1:1/none");

#[tokio::test]
async fn without_a_replica_there_are_no_tokens_and_any_is_reached() {
    let t = TestApp::start().await;
    let change = json!({ "name": "Renamed" });
    let answer = t.admin().patch("/api/users/4", change).await;
    assert_eq!((answer.status(), answer.header(TOKEN)), (200, ""));
    let reader = t.admin().with_header(TOKEN, "ffffffffffffffff");
    for path in ["/api/users", "/api/audit-logs"] {
        reader.get(path).await.expect(200);
    }
}

#[tokio::test]
async fn a_malformed_token_is_refused_where_one_counts() {
    let t = TestApp::start().await;
    for token in [
        "",
        "x",
        "0",
        "0/16B374D8",
        "0000000000000000,",
        "0000000000000000 1",
        "é",
    ] {
        let admin = t.admin().with_header(TOKEN, token);
        for path in ["/api/users", "/api/audit-logs"] {
            let faults = admin.get(path).await.faults();
            assert_eq!(faults, ["Consistency-Token consistency-token"], "{token:?}");
        }
        admin.get("/api/users/4").await.expect(200);
        let member = t.member().with_header(TOKEN, token);
        assert_eq!(member.get("/api/roles").await.problem(403), "forbidden");
    }
}

#[tokio::test]
async fn a_token_is_of_the_end_of_its_change() {
    let t = TestApp::with(&[NOWHERE]).await;
    let blocker = t.lock("audit_logs").await;
    let (admin, change) = (t.admin(), json!({ "name": "Renamed" }));
    let (answer, before_its_end) = tokio::join!(admin.patch("/api/users/4", change), async {
        let waiting = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'";
        while t.count(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        t.execute("create table written_meanwhile ()").await;
        let position = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        let before_its_end = t.count(position).await;
        blocker.batch_execute("rollback").await.unwrap();
        before_its_end
    });
    answer.expect(200);
    let token = i64::from_str_radix(answer.header(TOKEN), 16).unwrap();
    assert!(token > before_its_end, "{token} {before_its_end}");
}

#[tokio::test]
async fn a_token_costs_no_wait() {
    let database = database::create().await;
    let wire = Wire::to(database.url()).await;
    let url = wire.along(&database.url_as("usher_app"));
    let t = TestApp::on(database, &[("DATABASE_URL", &url), NOWHERE]).await;
    t.admin().get("/api/users/4").await.expect(200);
    wire.take();
    let change = json!({ "name": "Renamed" });
    let answer = t.admin().patch("/api/users/4", change).await;
    assert_eq!((answer.status(), answer.header(TOKEN).len()), (200, 16));
    assert_eq!(wire.take().waits, 2);
}

#[tokio::test]
async fn a_replica_that_cannot_be_reached_costs_nobody_an_error() {
    let t = TestApp::with(&[NOWHERE, ("USHER_ENV", "development")]).await;
    for outcome in ["away", "resting", "resting"] {
        let answer = t.admin().get("/api/users").await;
        answer.expect(200);
        let timing = answer.header("server-timing");
        assert!(
            timing.ends_with(&format!("replica;desc={outcome}")),
            "{timing}"
        );
    }
}
