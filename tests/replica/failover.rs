//! Servers that are no replica, not any more or not yet: they are not believed.

use serde_json::json;
use usher_devdb::TestDatabase;
use usher_tests::{TestApp, database};

use crate::{Pair, outcome, pair};

/// Renames the member, and finds the new name in the list without a token.
async fn sees_changes_at_once(t: &TestApp, expected: &str) {
    let name = json!({ "name": format!("Seen while {expected}") });
    let change = t.admin().patch("/api/users/4", name.clone()).await;
    change.expect(200);
    let path = "/api/users?email=member@example.com";
    let answer = t.admin().get(path).await;
    assert_eq!(outcome(&answer), expected);
    assert_eq!(answer.expect(200)["data"][0]["name"], name["name"]);
}

async fn is_used(t: &TestApp) {
    let answer = t.admin().get("/api/users").await;
    answer.expect(200);
    assert_eq!(outcome(&answer), "used");
}

#[tokio::test]
async fn a_replica_that_was_promoted_is_one_no_more() {
    let pair = Pair::start().await;
    let t = pair.app(&[]).await;
    is_used(&t).await;
    pair::promote(&pair.replica).await;
    sees_changes_at_once(&t, "foreign").await;
    sees_changes_at_once(&t, "resting").await;
}

#[tokio::test]
async fn the_primary_itself_and_another_database_are_no_replica() {
    let pair = Pair::shared().await;
    for is_other in [false, true] {
        let (database, other) = tokio::join!(
            database::create_on(&pair.primary),
            database::create_on(&pair.primary)
        );
        let url = if is_other {
            pair.replica_url(&other)
        } else {
            database.url_as(pair::APP_ROLE)
        };
        pair.catch_up().await;
        let t = pair::app_with(database, &url, &[]).await;
        sees_changes_at_once(&t, "foreign").await;
    }
}

/// Starts an instance on the servers after a failover, with a database from before.
async fn app_after(pair: &Pair, database: TestDatabase) -> TestApp {
    let primary = pair.primary.url_as(database.name(), pair::APP_ROLE);
    let replica = pair.replica_url(&database);
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_MAX_LAG", "3600"),
    ];
    pair::app_with(database, &replica, &variables).await
}

#[tokio::test]
async fn after_a_failover_the_old_primary_is_used_as_a_replica_of_the_new_one() {
    let pair = Pair::start().await;
    let database = database::create_on(&pair.primary).await;
    let pair = pair.fail_over().await;
    let t = app_after(&pair, database).await;
    // A replica knows its timeline from the last checkpoint that it has replayed.
    for server in [&pair.primary, &pair.replica] {
        let admin = server.admin().await.unwrap();
        admin.batch_execute("checkpoint").await.unwrap();
        pair.catch_up().await;
    }
    is_used(&t).await;
}

#[tokio::test]
async fn a_replica_that_is_not_yet_on_the_new_timeline_is_given_away_by_that_alone() {
    let pair = Pair::start().await;
    let database = database::create_on(&pair.primary).await;
    pair.catch_up().await;
    pair.pause().await;
    let pair = pair.recover_primary().await;
    let t = app_after(&pair, database).await;
    sees_changes_at_once(&t, "foreign").await;
}
