//! What a replica shows, and what it is not asked for.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use usher_core::{DatabaseUrl, Replica, ReplicaOptions, replica::Outcome};
use usher_tests::{Answer, Caller, Person, TestApp, Wire, database};

use crate::{Pair, outcome, pair};

const TOKEN: &str = "consistency-token";
const MEMBER: &str = "/api/users?fields=name&email=member@example.com";

/// Renames the member, and returns the answer.
async fn rename(t: &TestApp, name: &str) -> Answer {
    let change = json!({ "name": name });
    let answer = t.admin().patch("/api/users/4", change).await;
    answer.expect(200);
    answer
}

/// Returns the name of the member in the list, and what came of asking the replica.
async fn listed(caller: &Caller) -> (String, String) {
    let answer = caller.get(MEMBER).await;
    let name = answer.expect(200)["data"][0]["name"].clone();
    (
        name.as_str().unwrap().to_owned(),
        outcome(&answer).to_owned(),
    )
}

fn pair_of(name: &str, outcome: &str) -> (String, String) {
    (name.to_owned(), outcome.to_owned())
}

#[tokio::test]
async fn lists_come_from_the_replica_unless_it_lacks_what_the_caller_did() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    pair.pause().await;
    let changed = rename(&t, "Renamed").await;
    let reader = t.admin().with_header(TOKEN, changed.header(TOKEN));
    assert_eq!(listed(&t.admin()).await, pair_of("member", "used"));
    assert_eq!(listed(&reader).await, pair_of("Renamed", "behind"));
    // One user, and the own account, are always the primary's.
    for path in ["/api/users/4", "/api/users/4/roles", "/api/me"] {
        let answer = t.member().get(path).await;
        assert_eq!(outcome(&answer), "", "{path}");
    }
    let shown = t.admin().get("/api/users/4").await.expect(200);
    assert_eq!(shown["name"], "Renamed");
    pair.resume().await;
    assert_eq!(listed(&reader).await, pair_of("Renamed", "used"));
}

#[tokio::test]
async fn what_examines_a_replica_says_whether_it_is_of_use() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    let examine = async |url: &str| {
        let url = DatabaseUrl::parse(url, false).unwrap();
        let max_lag = Duration::from_secs(10);
        let replica = Replica::new(ReplicaOptions { url, max_lag });
        replica.examine(&t.app.database).await.unwrap()
    };
    let replica = pair.replica.url(t.database_name());
    assert_eq!(examine(&replica).await, Outcome::Used);
    assert_eq!(examine(&t.app_url()).await, Outcome::Foreign);
}

#[tokio::test]
async fn a_list_is_one_wait_for_both_servers_at_the_same_time() {
    let pair = Pair::shared().await;
    let database = database::create_on(&pair.primary).await;
    pair.catch_up().await;
    let (primary, replica) = (database.url_as(pair::APP_ROLE), pair.replica_url(&database));
    let wires = (Wire::to(&primary).await, Wire::to(&replica).await);
    let waits = || (wires.0.take().waits, wires.1.take().waits);
    let (primary, replica) = (wires.0.along(&primary), wires.1.along(&replica));
    let t = pair::app_with(database, &replica, &[("DATABASE_URL", &primary)]).await;
    let admin = t.admin();
    let counted = "/api/users?count=exact&q=member";
    // Connections are opened first.
    admin.get("/api/users").await.expect(200);
    waits();
    for path in ["/api/users", counted] {
        let answer = admin.get(path).await;
        answer.expect(200);
        let timing = answer.header("server-timing");
        assert!(timing.contains("\"1 round trips\""), "{path}: {timing}");
        assert_eq!(outcome(&answer), "used");
        assert_eq!(waits(), (1, 1), "{path}");
    }
    let behind = admin.with_header(TOKEN, "ffffffffffffffff");
    let answer = behind.get("/api/users").await;
    assert_eq!((outcome(&answer), waits()), ("behind", (2, 1)));
}

#[tokio::test]
async fn what_is_taken_from_an_account_is_gone_at_once() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    let (auditor, helper, admin) = (
        t.caller(Person::Auditor),
        t.caller(Person::Helper),
        t.admin(),
    );
    pair.pause().await;
    for caller in [&auditor, &helper] {
        assert_eq!(listed(caller).await, pair_of("member", "used"));
    }
    let ban = json!({ "isActive": false });
    admin.patch("/api/users/2", ban).await.expect(200);
    assert_eq!(auditor.get(MEMBER).await.problem(401), "unauthenticated");
    assert_eq!(
        auditor.get("/api/audit-logs").await.problem(401),
        "unauthenticated"
    );
    let roles = json!({ "roles": ["user"] });
    admin.put("/api/users/3/roles", roles).await.expect(200);
    assert_eq!(helper.get(MEMBER).await.problem(403), "forbidden");
    let sign_out = admin
        .request_without_body(&Method::POST, "/api/auth/logout")
        .await;
    sign_out.expect(204);
    assert_eq!(admin.get(MEMBER).await.problem(401), "unauthenticated");
    // The replica still shows all of them as they were.
    let replica = usher_tests::connect(&pair.replica.url(t.database_name())).await;
    let question = "select count(*) = 0 from sessions where ended_at is not null";
    pair::eventually("nobody is signed out there", &replica, question).await;
}

#[tokio::test]
async fn reading_the_audit_log_of_the_replica_is_written_down_once() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    rename(&t, "Known").await;
    pair.catch_up().await;
    pair.pause().await;
    let changed = rename(&t, "Unknown").await;
    let auditor = t.caller(Person::Auditor);
    let latest = "/api/audit-logs?action=UPDATE&limit=1";
    let entry = |answer: &Answer| answer.expect(200)["data"][0]["payload"]["after"]["name"].clone();
    // Connections are opened first, or asked for a sign of life.
    t.admin().get("/api/users").await.expect(200);
    let stale = auditor.get(latest).await;
    assert_eq!((entry(&stale), outcome(&stale)), (json!("Known"), "used"));
    let timing = stale.header("server-timing");
    assert!(timing.contains("\"2 round trips\""), "{timing}");
    let fresh = auditor.with_header(TOKEN, changed.header(TOKEN));
    let fresh = fresh.get(latest).await;
    assert_eq!(
        (entry(&fresh), outcome(&fresh)),
        (json!("Unknown"), "behind")
    );
    t.member().get(latest).await.problem(403);
    let entries = t.audit().await;
    let readings: Vec<_> = entries
        .iter()
        .filter(|entry| entry["action"] == "READ")
        .map(|entry| entry["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(
        readings,
        [stale.header("x-request-id"), fresh.header("x-request-id")]
    );
    // The reading was a change too.
    assert!(!stale.header(TOKEN).is_empty());
}

#[tokio::test]
async fn tokens_of_strangers_do_no_harm() {
    let pair = Pair::shared().await;
    let t = pair.app(&[]).await;
    let token = rename(&t, "Renamed").await.header(TOKEN).to_owned();
    pair.catch_up().await;
    let future = "fffffffffffffffe";
    for (sent, expected) in [
        (token.clone(), "used"),
        ("0000000000000000".to_owned(), "used"),
        (future.to_owned(), "behind"),
        // The newest of several counts.
        (format!("{token}, 0000000000000000"), "used"),
        (format!("{token},{future}"), "behind"),
    ] {
        let caller = t.admin().with_header(TOKEN, &sent);
        assert_eq!(
            listed(&caller).await,
            pair_of("Renamed", expected),
            "{sent}"
        );
    }
    let both = t
        .admin()
        .with_header(TOKEN, future)
        .with_header(TOKEN, &token);
    assert_eq!(listed(&both).await, pair_of("Renamed", "behind"));
}

#[tokio::test]
async fn a_replica_that_lags_is_not_used_and_an_idle_primary_is_no_lag() {
    let pair = Pair::shared().await;
    let t = pair.app(&[("DATABASE_REPLICA_MAX_LAG", "1")]).await;
    let replica = usher_tests::connect(&pair.replica.url(t.database_name())).await;
    let idle = "select pg_last_xact_replay_timestamp() < now() - interval '1100 milliseconds'";
    pair::eventually("nothing was written for a second", &replica, idle).await;
    assert_eq!(listed(&t.admin()).await, pair_of("member", "used"));
    pair.pause().await;
    rename(&t, "Renamed").await;
    assert_eq!(listed(&t.admin()).await, pair_of("Renamed", "lagging"));
    assert_eq!(listed(&t.admin()).await, pair_of("Renamed", "resting"));
    pair.resume().await;
    let started = Instant::now();
    while listed(&t.admin()).await != pair_of("Renamed", "used") {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it is not used again"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
