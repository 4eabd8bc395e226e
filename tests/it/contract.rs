//! What this release asks of the schema: every statement that it sends, as `tests/contract.sql` has them.
//!
//! The file of a release is what the next schema is held to: functions of that release still run while it is deployed.
//! `USHER_WRITE_CONTRACT=1 cargo test -p usher-tests --test it contract` writes the file anew.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::PathBuf};

use crate::{passkey_step_up, passkeys};
use http::Method;
use serde_json::json;
use tokio_postgres::error::SqlState;
use usher_migrate::{DeployOptions, Migrations};
use usher_tests::{
    Authenticator, CRON_SECRET, PASSWORD, Person, TestApp, connect, database, query_log, repository,
};

mod own;

use own::recover;

mod factors;

/// Names a folder with `migrations` and `contract.sql` of the release before.
const PREVIOUS: &str = "USHER_PREVIOUS_RELEASE";

const HEADER: &str = "-- Every statement that this release sends, with the types of its parameters. Written by a test: see\n\
                      -- tests/it/contract.rs.\n";

fn file() -> PathBuf {
    repository().join("tests/contract.sql")
}

fn previous() -> Option<PathBuf> {
    env::var_os(PREVIOUS)
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
}

/// Calls every operation, and every list with each of its filters and orders.
async fn visit_everything(t: &TestApp) {
    let (admin, anonymous) = (t.admin(), t.anonymous());
    for path in [
        "/api/health",
        "/api/health/ready",
        "/api/me",
        "/api/roles",
        "/api/users/4",
        "/api/users/4/roles",
    ] {
        admin.get(path).await.expect(200);
    }
    let filters = [
        "isActive=true",
        "role=user",
        "email=a@example.com",
        "createdFrom=2026-01-01T00:00:00Z",
        "createdTo=2036-01-01T00:00:00Z",
        "q=member",
        "q=member&sort=-name",
        "q=e&isActive=true&role=user&email=a@example.com&createdFrom=2026-01-01T00:00:00Z",
        "q=member&count=exact",
        "q=member&count=estimated",
        "count=exact",
        "count=estimated",
    ];
    for filter in filters {
        admin.get(&format!("/api/users?{filter}")).await.expect(200);
    }
    for sort in ["createdAt", "name", "email", "id"] {
        for order in [sort.to_owned(), format!("-{sort}")] {
            let first = admin
                .get(&format!("/api/users?limit=1&sort={order}"))
                .await
                .expect(200);
            let cursor = first["page"]["nextCursor"].as_str().unwrap();
            admin
                .get(&format!("/api/users?limit=1&sort={order}&cursor={cursor}"))
                .await
                .expect(200);
        }
    }
    for filter in [
        "actorId=1",
        "entity=User",
        "entityId=4",
        "action=LOGIN",
        "from=2026-01-01T00:00:00Z",
        "to=2036-01-01T00:00:00Z",
    ] {
        admin
            .get(&format!("/api/audit-logs?{filter}"))
            .await
            .expect(200);
    }
    let first = admin.get("/api/me/audit-logs?limit=1").await.expect(200);
    let cursor = first["page"]["nextCursor"].as_str().unwrap();
    admin
        .get(&format!("/api/me/audit-logs?limit=1&cursor={cursor}"))
        .await
        .expect(200);
    let first = admin.get("/api/audit-logs?limit=1").await.expect(200);
    let cursor = first["page"]["nextCursor"].as_str().unwrap();
    admin
        .get(&format!("/api/audit-logs?limit=1&cursor={cursor}"))
        .await
        .expect(200);

    let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    let id = admin.post("/api/users", new).await.expect(201)["id"].clone();
    admin
        .patch(&format!("/api/users/{id}"), json!({ "name": "Ada King" }))
        .await
        .expect(200);
    admin
        .put(
            &format!("/api/users/{id}/roles"),
            json!({ "roles": ["user", "auditor"] }),
        )
        .await
        .expect(200);
    t.member()
        .patch("/api/me", json!({ "name": "Mem" }))
        .await
        .expect(200);
    anonymous
        .sign_in("ada@example.com", "not the password")
        .await
        .problem(401);
    anonymous
        .sign_in("nobody@example.com", "not the password")
        .await
        .problem(401);
    let session = anonymous
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    let refresh = |token: serde_json::Value| {
        let caller = t.anonymous();
        async move {
            caller
                .post("/api/auth/refresh", json!({ "refreshToken": token }))
                .await
        }
    };
    let second = refresh(session["refreshToken"].clone()).await.expect(200);
    // The answer was lost: the same token again.
    refresh(session["refreshToken"].clone()).await.expect(200);
    refresh(second["refreshToken"].clone()).await.expect(200);
    refresh(session["refreshToken"].clone()).await.problem(401);
    let caller = t.caller(Person::Auditor);
    caller
        .request_without_body(&Method::POST, "/api/auth/logout")
        .await
        .expect(204);
    let session = anonymous
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    anonymous
        .post(
            "/api/auth/logout",
            json!({ "refreshToken": session["refreshToken"] }),
        )
        .await
        .expect(204);
    let own = admin.get("/api/me/sessions").await.expect(200);
    assert_eq!(own["data"][0]["isCurrent"], true);
    admin.delete("/api/me/sessions").await.expect(204);
    let helper = t.caller(Person::Helper);
    let session = format!("/api/me/sessions/{}", Person::Helper.session());
    helper.delete(&session).await.expect(204);
    let sessions = format!("/api/users/{id}/sessions");
    admin.get(&sessions).await.expect(200);
    admin.delete(&sessions).await.expect(204);
    factors::visit(t).await;
    t.execute("update sessions set ended_at = null, end_reason = null where user_id = 4")
        .await;
    use_passkeys(t).await;
    send_twice(t).await;
    recover(t).await;
    admin.delete(&format!("/api/users/{id}")).await.expect(204);
    t.scheduler().get("/api/cron/maintain").await.expect(200);
}

/// Adds, uses, renames and removes a passkey, with what fails on the way.
async fn use_passkeys(t: &TestApp) {
    let (member, anonymous) = (t.member(), t.anonymous());
    let mut authenticator = Authenticator::default();
    let added = passkeys::add(&member, &mut authenticator, "Phone").await;
    let path = added.header("location").to_owned();
    added.expect(201);
    let nonsense = json!({ "ceremonyToken": "x", "credential": {}, "name": "Phone" });
    member.post("/api/me/passkeys", nonsense).await.problem(400);
    member.get("/api/me/passkeys").await.expect(200);
    passkeys::sign_in(&anonymous, &mut authenticator)
        .await
        .expect(200);
    let nonsense = json!({ "ceremonyToken": "x", "credential": {} });
    let refused = anonymous.post("/api/auth/passkey", nonsense).await;
    refused.problem(401);
    prove_by(t, &mut authenticator).await;
    member
        .patch(&path, json!({ "name": "Key" }))
        .await
        .expect(200);
    member.delete(&path).await.expect(204);
}

/// Proves again by a passkey, also with a key, with what is refused, and what says how it could be done.
async fn prove_by(t: &TestApp, authenticator: &mut Authenticator) {
    let member = t.member();
    let path = "/api/auth/reauthenticate";
    let answer = passkey_step_up::answer(&member, authenticator).await;
    member.post(path, answer.clone()).await.expect(200);
    member.post(path, answer).await.problem(400);
    let answer = passkey_step_up::answer(&member, authenticator).await;
    let keyed = member.with_header("idempotency-key", "proof-by-passkey");
    for _ in 0..2 {
        keyed.post(path, answer.clone()).await.expect(200);
    }
}

/// Calls what takes a key with one, and again.
async fn send_twice(t: &TestApp) {
    let anonymous = t.anonymous().with_header("idempotency-key", "k");
    let admin = t.admin().with_header("idempotency-key", "k");
    let new = json!({ "name": "Bob", "email": "bob@example.com", "password": PASSWORD });
    let mut token = serde_json::Value::Null;
    for _ in 0..2 {
        admin.post("/api/users", new.clone()).await.expect(201);
        let session = anonymous.sign_in("bob@example.com", PASSWORD).await;
        token = session.expect(200)["refreshToken"].clone();
    }
    for _ in 0..2 {
        let form = json!({ "refreshToken": token });
        anonymous.post("/api/auth/refresh", form).await.expect(200);
    }
    let admin = t.admin().with_header("idempotency-key", "change");
    let change = json!({ "name": "Helper" });
    let helper = format!("/api/users/{}", Person::Helper.id());
    for _ in 0..2 {
        admin.patch(&helper, change.clone()).await.expect(200);
    }
    let admin = t.admin().with_header("idempotency-key", "removal");
    for _ in 0..2 {
        admin.delete(&helper).await.expect(204);
    }
}

fn written(queries: &[query_log::Query]) -> String {
    let unique: BTreeSet<_> = queries.iter().collect();
    let mut text = HEADER.to_owned();
    for query in unique {
        let types = if query.types.is_empty() {
            String::new()
        } else {
            format!(" ({})", query.types)
        };
        let _ = write!(
            text,
            "\n-- {}\nprepare contract{types} as {};\ndeallocate contract;\n",
            query.context,
            // Explaining cannot be prepared, what is explained can.
            query.statement.trim_start_matches("explain (format json) ")
        );
    }
    text
}

#[tokio::test]
async fn the_contract_is_what_this_release_sends() {
    let variables = [
        ("CRON_SECRET", CRON_SECRET),
        // Nobody reaches it; what is asked of the database because of it is asked all the same.
        ("DATABASE_REPLICA_URL", "postgres://nobody@127.0.0.1:1/none"),
    ];
    let t = TestApp::with(&variables).await;
    query_log::keep();
    visit_everything(&t).await;
    let sent = written(&query_log::take());
    if env::var_os("USHER_WRITE_CONTRACT").is_some() {
        fs::write(file(), &sent).unwrap();
    }
    let kept = fs::read_to_string(file()).unwrap_or_default();
    let missing: Vec<_> = sent.lines().filter(|line| !kept.contains(line)).collect();
    assert!(
        kept == sent,
        "write tests/contract.sql anew, with USHER_WRITE_CONTRACT=1; new are {missing:#?}"
    );
}

#[tokio::test]
async fn the_schema_keeps_the_contract_of_the_release_before() {
    let t = TestApp::start().await;
    let contract = previous().map_or_else(file, |folder| folder.join("contract.sql"));
    let contract = fs::read_to_string(contract).unwrap();
    let app = connect(&t.app_url()).await;
    let statements: Vec<_> = contract.split("deallocate contract;").collect();
    assert!(statements.len() > 30, "{}", statements.len());
    for statement in statements {
        let prepared = app.batch_execute(statement).await;
        assert!(prepared.is_ok(), "{statement}: {prepared:?}");
        app.batch_execute("deallocate all").await.unwrap();
    }
}

#[tokio::test]
async fn a_contract_that_is_broken_is_noticed() {
    let t = TestApp::start().await;
    t.execute("alter table users rename column avatar_url to picture")
        .await;
    let app = connect(&t.app_url()).await;
    let contract = fs::read_to_string(file()).unwrap();
    let broken = contract
        .split("deallocate contract;")
        .filter(|statement| statement.contains("users.avatar_url"));
    for statement in broken {
        let error = app.batch_execute(statement).await.unwrap_err();
        assert_eq!(
            error.code().map(SqlState::code),
            Some("42703"),
            "{statement}"
        );
    }
}

/// Functions are deployed after the schema, so that they meet an older one only when that was rolled back.
#[tokio::test]
async fn new_functions_on_the_schema_before_say_so_and_recover() {
    let embedded = Migrations::embedded().unwrap();
    let before = if let Some(folder) = previous() {
        Migrations::from_folder(&folder.join("migrations")).unwrap()
    } else {
        let versions: Vec<_> = embedded
            .iter()
            .map(usher_migrate::Migration::version)
            .collect();
        embedded.up_to(versions[versions.len() - 2])
    };
    let is_older = before.latest() < embedded.latest();
    let t = TestApp::on(database::migrated(&before).await, &[]).await;
    t.anonymous().get("/api/health/live").await.expect(200);
    let ready = t.anonymous().get("/api/health/ready").await;
    assert_eq!(ready.status(), if is_older { 503 } else { 200 });
    for path in [
        "/api/me",
        "/api/users",
        "/api/users?q=member",
        "/api/roles",
        "/api/audit-logs",
    ] {
        let answer = t.admin().get(path).await;
        assert!(
            matches!(answer.status(), 200 | 503),
            "{path}: {}",
            answer.text()
        );
    }
    let mut owner = connect(t.url()).await;
    embedded
        .deploy(&mut owner, DeployOptions::default())
        .await
        .unwrap();
    t.anonymous().get("/api/health/ready").await.expect(200);
    t.admin().get("/api/users").await.expect(200);
}
