//! Requests that come again because their answer was lost: one effect, one audit entry, one answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use usher_http::routes;
use usher_tests::{Answer, Caller, PASSWORD, Person, TestApp};

const KEY: &str = "0b0f6c5e-9a2e-4f4c-8f0e-5a3e3c9d7a11";

fn keyed(caller: Caller, key: &str) -> Caller {
    caller.with_header("idempotency-key", key)
}

/// What two answers must have in common, whatever request they are to.
fn shown(answer: &Answer) -> (u16, String, [&str; 3]) {
    let headers = ["etag", "location", "content-type"].map(|name| answer.header(name));
    (answer.status(), answer.text().to_owned(), headers)
}

/// Lets what was done with a key have been done this long ago.
async fn make_older(t: &TestApp, age: &str) {
    let statement = "update idempotency_keys
        set outcome = outcome || jsonb_build_object('issued_at', now() - interval";
    t.execute(&format!("{statement} '{age}')")).await;
}

async fn entries(t: &TestApp, action: &str) -> usize {
    let all = t.audit().await;
    all.iter().filter(|entry| entry["action"] == action).count()
}

fn ada() -> Value {
    json!({ "name": "Ada", "email": "ada@example.com", "roles": ["user", "auditor"], "avatarUrl": "https://example.com/a.png" })
}

#[tokio::test]
async fn a_user_is_created_once_and_answered_alike_even_after_a_change() {
    let t = TestApp::start().await;
    let admin = keyed(t.admin(), KEY);
    let first = admin.post("/api/users", ada()).await;
    let id = first.expect(201)["id"].clone();
    t.admin()
        .patch(
            &format!("/api/users/{id}"),
            json!({ "name": "Ada King", "email": "king@example.com" }),
        )
        .await
        .expect(200);
    let again = admin.post("/api/users", ada()).await;
    assert_eq!(shown(&again), shown(&first));
    assert_eq!(
        t.count("select count(*) from users where name like 'Ada%'")
            .await,
        1
    );
    assert_eq!(entries(&t, "CREATE").await, 1);
    // Without a key, or with another one, it is another request.
    t.admin().post("/api/users", ada()).await.expect(201);
    let problem = keyed(t.admin(), "other").post("/api/users", ada()).await;
    assert_eq!(problem.problem(409), "email-taken");
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_sender() {
    let t = TestApp::start().await;
    let admin = keyed(t.admin(), KEY);
    admin.post("/api/users", ada()).await.expect(201);
    for other in [
        json!({ "name": "Ada", "email": "other@example.com" }),
        json!({ "name": "Bob", "email": "ada@example.com" }),
    ] {
        let refused = admin.post("/api/users", other).await;
        assert_eq!(refused.problem(422), "idempotency-key-reused");
    }
    assert_eq!(entries(&t, "CREATE").await, 1);
    let helper = keyed(t.caller(Person::Helper), KEY);
    let theirs = json!({ "name": "Bob", "email": "bob@example.com" });
    helper.post("/api/users", theirs).await.expect(201);
    // The key does not let anybody in.
    let member = keyed(t.member(), KEY).post("/api/users", ada()).await;
    assert_eq!(member.problem(403), "forbidden");
}

#[tokio::test]
async fn what_was_refused_is_not_remembered() {
    let t = TestApp::start().await;
    let admin = keyed(t.admin(), KEY);
    let taken = json!({ "name": "Ada", "email": "member@example.com" });
    assert_eq!(
        admin.post("/api/users", taken.clone()).await.problem(409),
        "email-taken"
    );
    t.admin().delete("/api/users/4").await.expect(204);
    admin.post("/api/users", taken).await.expect(201);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let t = TestApp::start().await;
    for bad in ["", "a b", "\"", &"k".repeat(256)] {
        let refused = keyed(t.admin(), bad).post("/api/users", ada()).await;
        assert_eq!(
            refused.faults(),
            ["Idempotency-Key idempotency-key"],
            "{bad:?}"
        );
    }
    let two = keyed(keyed(t.admin(), "a"), "b")
        .post("/api/users", ada())
        .await;
    assert_eq!(two.faults(), ["Idempotency-Key idempotency-key"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_at_once_one_creates_and_all_are_answered_alike() {
    let t = TestApp::start().await;
    let race = |number: usize, key: Option<&str>| {
        let caller = key.map_or_else(|| t.admin(), |key| keyed(t.admin(), key));
        let new = json!({ "name": "Ada", "email": format!("ada{number}@example.com") });
        let requests = (0..16).map(move |_| {
            let (caller, new) = (caller.clone(), new.clone());
            async move { caller.post("/api/users", new).await }
        });
        requests.collect::<tokio::task::JoinSet<_>>().join_all()
    };
    for round in 0..20 {
        let answers = race(round, Some(&format!("key {round}").replace(' ', "-"))).await;
        let different: BTreeSet<_> = answers.iter().map(Answer::text).collect();
        assert!(
            answers.iter().all(|answer| answer.status() == 201),
            "{different:?}"
        );
        assert_eq!(different.len(), 1, "{different:?}");
    }
    assert_eq!(entries(&t, "CREATE").await, 20);
    // Without a key they are sixteen requests.
    let answers = race(20, None).await;
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.status() == 409)
            .count(),
        15
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_other_requests_with_one_key_one_is_done() {
    let t = TestApp::start().await;
    let requests = (0..16).map(|number| {
        let caller = keyed(t.admin(), KEY);
        let new = json!({ "name": "Ada", "email": format!("ada{number}@example.com") });
        async move { caller.post("/api/users", new).await.status() }
    });
    let mut statuses = requests
        .collect::<tokio::task::JoinSet<_>>()
        .join_all()
        .await;
    statuses.sort_unstable();
    assert_eq!(statuses, [&[201][..], &[422; 15]].concat());
    assert_eq!(
        t.count("select count(*) from users where email like 'ada%'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_sign_in_that_comes_again_is_the_same_session() {
    let t = TestApp::start().await;
    let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    t.admin().post("/api/users", new).await.expect(201);
    let anonymous = keyed(t.anonymous(), KEY);
    let first = anonymous
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    make_older(&t, "2 minutes").await;
    let again = anonymous
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    assert_eq!(again["refreshToken"], first["refreshToken"]);
    assert_eq!(again["user"], first["user"]);
    let seconds = again["expiresIn"].as_i64().unwrap();
    assert!((170..=180).contains(&seconds), "{seconds}");
    assert_eq!(entries(&t, "LOGIN").await, 1);
    let token = again["accessToken"].as_str().unwrap();
    t.anonymous()
        .with_token(token)
        .get("/api/me")
        .await
        .expect(200);
    // The key is no password, and other tries have sessions of their own.
    let wrong = anonymous
        .sign_in("ada@example.com", "not the password")
        .await;
    assert_eq!(wrong.problem(401), "invalid-credentials");
    let other = t
        .anonymous()
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    assert_ne!(other["refreshToken"], first["refreshToken"]);
    // The first answer gave access for five minutes; giving it again does not give more.
    make_older(&t, "6 minutes").await;
    let late = anonymous
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    assert_eq!(late["expiresIn"], 0);
    let token = late["accessToken"].as_str().unwrap();
    t.anonymous()
        .with_token(token)
        .get("/api/me")
        .await
        .problem(401);
}

#[tokio::test]
async fn a_refresh_that_comes_again_late_is_no_theft_with_its_key() {
    let t = TestApp::start().await;
    let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    t.admin().post("/api/users", new).await.expect(201);
    for key in [Some(KEY), None] {
        let session = t
            .anonymous()
            .sign_in("ada@example.com", PASSWORD)
            .await
            .expect(200);
        let token = json!({ "refreshToken": session["refreshToken"] });
        let caller = key.map_or_else(|| t.anonymous(), |key| keyed(t.anonymous(), key));
        let first = caller
            .post("/api/auth/refresh", token.clone())
            .await
            .expect(200);
        t.execute(
            "update sessions set refreshed_at = now() - interval '1 hour' where ended_at is null",
        )
        .await;
        let again = caller.post("/api/auth/refresh", token).await;
        if key.is_none() {
            assert_eq!(again.problem(401), "invalid-refresh-token");
            assert_eq!(entries(&t, "REFRESH_REUSE").await, 1);
            continue;
        }
        assert_eq!(again.expect(200)["refreshToken"], first["refreshToken"]);
        assert_eq!(entries(&t, "REFRESH").await, 1);
        let next = json!({ "refreshToken": first["refreshToken"] });
        let reused = caller.post("/api/auth/refresh", next.clone()).await;
        assert_eq!(reused.problem(422), "idempotency-key-reused");
        t.anonymous()
            .post("/api/auth/refresh", next)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn who_signs_out_twice_is_signed_out_once() {
    let t = TestApp::start().await;
    for _ in 0..2 {
        t.member()
            .post("/api/auth/logout", json!({}))
            .await
            .expect(204);
    }
    assert_eq!(entries(&t, "LOGOUT").await, 1);
    assert_eq!(
        t.member().get("/api/me").await.problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn what_is_remembered_holds_no_secret() {
    let t = TestApp::start().await;
    let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    keyed(t.admin(), KEY)
        .post("/api/users", new)
        .await
        .expect(201);
    let session = keyed(t.anonymous(), KEY)
        .sign_in("ada@example.com", PASSWORD)
        .await
        .expect(200);
    let token = json!({ "refreshToken": session["refreshToken"] });
    keyed(t.anonymous(), KEY)
        .post("/api/auth/refresh", token)
        .await
        .expect(200);
    assert_eq!(t.count("select count(*) from idempotency_keys").await, 3);
    let all = t
        .sql(
            "select string_agg(idempotency_keys::text, '') from idempotency_keys",
            &[],
        )
        .await
        .to_string();
    for secret in [KEY, PASSWORD, "argon2", "usher_rt_", "eyJ"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn every_request_that_writes_takes_a_key_or_needs_none() {
    // Who signs out again is signed out, and who asks for a challenge again gets another one.
    const NEEDS_NONE: [&str; 4] = [
        "/api/auth/logout",
        "/api/auth/reauthenticate/options",
        "/api/auth/passkey/options",
        "/api/me/passkeys/options",
    ];
    let description = usher_http::openapi::document();
    for endpoint in routes::ALL {
        for method in ["post", "put", "patch", "delete"] {
            let operation = &description["paths"][endpoint.path][method];
            if operation.is_null() || NEEDS_NONE.contains(&endpoint.path) {
                continue;
            }
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(
                parameters
                    .iter()
                    .any(|parameter| parameter["name"] == "Idempotency-Key"),
                "{method} {}",
                endpoint.path
            );
        }
    }
}
