//! Health: what a load balancer, an operator and a stranger are told.

use usher_tests::TestApp;

#[tokio::test]
async fn a_stranger_learns_that_all_is_well() {
    let t = TestApp::start().await;
    for path in ["/api/health", "/api/health/live", "/api/health/ready"] {
        let answer = t.anonymous().get(path).await;
        let body = answer.expect(200);
        assert_eq!(body["status"], "ok", "{path}");
        assert!(
            body.get("details").is_none_or(serde_json::Value::is_null),
            "{body}"
        );
    }
}

#[tokio::test]
async fn who_has_the_token_sees_the_details() {
    let t = TestApp::with(&[("USHER_HEALTH_TOKEN", "a token of some length")]).await;
    let insider = t.anonymous().with_token("a token of some length");
    let details = insider.get("/api/health").await.expect(200)["details"].clone();
    assert_eq!(details["schemaVersion"], details["schemaNeeded"]);
    assert!(details["latencyMilliseconds"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (
            details["pool"]["max"].as_i64(),
            details["pool"]["open"].as_i64()
        ),
        (Some(16), Some(1))
    );
    let stranger = t.anonymous().with_token("a token of some lengti");
    assert!(stranger.get("/api/health").await.expect(200)["details"].is_null());
}

#[tokio::test]
async fn everybody_sees_the_details_in_development() {
    let t = TestApp::with(&[("USHER_ENV", "development")]).await;
    assert!(t.anonymous().get("/api/health").await.expect(200)["details"]["version"].is_string());
}

#[tokio::test]
async fn an_older_schema_is_not_ready_and_a_newer_one_is() {
    let t = TestApp::start().await;
    t.execute("insert into refinery_schema_history select 29991231000000, 'later', applied_on, checksum from refinery_schema_history limit 1").await;
    t.anonymous().get("/api/health/ready").await.expect(200);
    t.execute("delete from refinery_schema_history where version > 20261123100100")
        .await;
    let answer = t.anonymous().get("/api/health/ready").await;
    assert_eq!(answer.problem(503), "schema-outdated");
    assert_eq!(answer.header("retry-after"), "1");
    t.execute("drop table refinery_schema_history").await;
    assert_eq!(
        t.anonymous().get("/api/health").await.problem(503),
        "schema-outdated"
    );
    t.anonymous().get("/api/health/live").await.expect(200);
}

#[test]
fn the_schema_that_the_build_needs_is_the_newest_migration() {
    let newest = usher_migrate::Migrations::embedded().unwrap().latest();
    assert_eq!(usher_core::health::SCHEMA_VERSION, newest);
}
