//! API keys: made, shown once, used by machines, rotated and revoked.

use serde_json::{Value, json};
use usher_tests::{Answer, CRON_SECRET, Caller, PASSWORD, Person, TestApp};

pub(crate) const PATH: &str = "/api/me/api-keys";

/// Lets everybody have signed in just now.
pub(crate) async fn sign_in_anew(t: &TestApp) {
    t.execute("update sessions set authenticated_at = now()")
        .await;
}

/// Asks for a key.
pub(crate) async fn ask(t: &TestApp, person: Person, scopes: &[&str]) -> Answer {
    sign_in_anew(t).await;
    let form = json!({ "name": "deploys", "scopes": scopes });
    t.caller(person).post(PATH, form).await
}

/// Makes a key, and returns its id and its token.
pub(crate) async fn made(t: &TestApp, person: Person, scopes: &[&str]) -> (i64, String) {
    let made = ask(t, person, scopes).await.expect(201);
    let id = made["apiKey"]["id"].as_i64().unwrap();
    (id, made["token"].as_str().unwrap().to_owned())
}

/// Gives a key another secret.
pub(crate) async fn rotate(t: &TestApp, caller: &Caller, id: i64, form: Value) -> Answer {
    sign_in_anew(t).await;
    caller.post(&format!("{PATH}/{id}/rotate"), form).await
}

/// Tells whether a token opens the account.
pub(crate) async fn is_good(t: &TestApp, token: &str) -> bool {
    let answer = t.anonymous().with_token(token).get("/api/me").await;
    match answer.status() {
        200 => true,
        401 => false,
        other => panic!("{other}: {}", answer.text()),
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_its_owner_is_told() {
    let t = TestApp::start().await;
    let answer = ask(
        &t,
        Person::Admin,
        &["users:read", "audit:read", "users:read"],
    )
    .await;
    assert_eq!(answer.header("location"), "/api/me/api-keys/1");
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.expect(201);
    let token = made["token"].as_str().unwrap();
    assert!(
        token.starts_with("usher_ak_") && token.len() == 70,
        "{token}"
    );
    assert_eq!(
        made["apiKey"]["scopes"],
        json!(["audit:read", "users:read"])
    );
    let list = t.admin().get(PATH).await;
    assert!(!list.text().contains(token));
    let list = list.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0], made["apiKey"]);
    assert_eq!(list["data"][0]["name"], "deploys");
    let days = "select extract(day from expires_at - created_at)::bigint from api_keys";
    assert_eq!(t.count(days).await, 90);
    let secret = &token[20..60];
    for stored in [
        "select to_jsonb(api_keys)::text from api_keys",
        "select string_agg(to_jsonb(audit_logs)::text, '') from audit_logs",
    ] {
        assert!(!t.sql(stored, &[]).await.to_string().contains(secret));
    }
    let mails = t.mails().await;
    let [mail] = &mails[..] else {
        panic!("{mails:?}")
    };
    let text = format!("{mail:?}");
    assert!(
        text.contains("admin@example.com") && text.contains("deploys"),
        "{text}"
    );
    assert!(
        text.contains("audit:read, users:read") && text.contains("90"),
        "{text}"
    );
    assert!(!text.contains(secret), "{text}");
    let entries = t.audit().await;
    let [entry] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(entry["action"], "API_KEY_CREATE");
    assert_eq!(
        (&entry["entity"], &entry["entity_id"]),
        (&json!("ApiKey"), &json!(1))
    );
}

#[tokio::test]
async fn a_key_may_do_what_both_its_scopes_and_its_owner_may() {
    let t = TestApp::start().await;
    let (id, token) = made(&t, Person::Admin, &["users:read"]).await;
    let machine = t.anonymous().with_token(&token);
    machine.get("/api/users").await.expect(200);
    machine.get("/api/users/4").await.expect(200);
    for path in ["/api/audit-logs", "/api/roles", "/api/invitations"] {
        assert_eq!(machine.get(path).await.problem(403), "forbidden", "{path}");
    }
    let me = machine.get("/api/me").await.expect(200);
    assert_eq!(me["permissions"], json!(["users:read"]));
    assert_eq!(
        (&me["apiKeyId"], &me["sessionId"]),
        (&json!(id), &Value::Null)
    );
    let me = t.admin().get("/api/me").await.expect(200);
    assert_eq!(me["apiKeyId"], Value::Null);
    assert_eq!(me["sessionId"], Person::Admin.session().to_string());
}

#[tokio::test]
async fn what_a_key_does_is_put_down_to_its_owner_and_the_key() {
    let t = TestApp::start().await;
    let (id, token) = made(
        &t,
        Person::Admin,
        &["users:create", "users:update", "users:read"],
    )
    .await;
    let machine = t.anonymous().with_token(&token);
    let name = json!({ "name": "Mem" });
    machine.patch("/api/users/4", name).await.expect(200);
    let new = json!({ "name": "Ada", "email": "ada@example.com" });
    machine.post("/api/users", new).await.expect(201);
    machine.delete("/api/users/4/sessions").await.expect(204);
    let entries = t.audit().await;
    assert_eq!(entries.len(), 4);
    for entry in &entries[1..] {
        assert_eq!(entry["actor_id"], 1, "{entry}");
        assert_eq!(entry["session_id"], Value::Null, "{entry}");
        assert_eq!(entry["payload"]["apiKeyId"], id, "{entry}");
    }
    assert_eq!(entries[1]["payload"]["after"], json!({ "name": "Mem" }));
    assert_eq!(entries[0]["payload"]["apiKeyId"], Value::Null);
}

#[tokio::test]
async fn making_and_rotating_a_key_need_a_proof_of_the_last_minutes() {
    let t = TestApp::start().await;
    let (id, _) = made(&t, Person::Member, &[]).await;
    t.execute("update sessions set authenticated_at = now() - interval '11 minutes'")
        .await;
    let form = json!({ "name": "deploys", "scopes": [] });
    let refused = t.member().post(PATH, form).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
    let path = format!("{PATH}/{id}");
    let refused = t.member().post(&format!("{path}/rotate"), json!({})).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
    t.member().get(PATH).await.expect(200);
    t.member().delete(&path).await.expect(204);
}

#[tokio::test]
async fn every_bad_value_of_a_key_is_named() {
    let t = TestApp::start().await;
    sign_in_anew(&t).await;
    for (form, place) in [
        (json!({ "scopes": [] }), "/name"),
        (json!({ "name": "", "scopes": [] }), "/name"),
        (json!({ "name": "x".repeat(65), "scopes": [] }), "/name"),
        (json!({ "name": "a\u{0}b", "scopes": [] }), "/name"),
        (json!({ "name": "x" }), "/scopes"),
        (json!({ "name": "x", "scopes": "users:read" }), "/scopes"),
        (json!({ "name": "x", "scopes": ["users:*"] }), "/scopes/0"),
        (json!({ "name": "x", "scopes": [7] }), "/scopes/0"),
        (
            json!({ "name": "x", "scopes": vec!["users:read"; 90] }),
            "/scopes",
        ),
        (
            json!({ "name": "x", "scopes": [], "expiresInDays": 0 }),
            "/expiresInDays",
        ),
        (
            json!({ "name": "x", "scopes": [], "expiresInDays": 366 }),
            "/expiresInDays",
        ),
        (
            json!({ "name": "x", "scopes": [], "expiresInDays": "9" }),
            "/expiresInDays",
        ),
        (
            json!({ "name": "x", "scopes": [], "expiresInDays": 1.5 }),
            "/expiresInDays",
        ),
        (
            json!({ "name": "x", "scopes": [], "secret": "mine" }),
            "/secret",
        ),
    ] {
        let refused = t.member().post(PATH, form.clone()).await;
        assert_eq!(refused.status(), 400, "{form}");
        assert!(refused.text().contains(place), "{form}: {}", refused.text());
    }
    for hours in [json!(-1), json!(169), json!("24")] {
        let form = json!({ "overlapHours": hours });
        let refused = t.member().post(&format!("{PATH}/1/rotate"), form).await;
        assert_eq!(refused.problem(400), "validation-failed");
    }
    for days in [1, 365] {
        let form = json!({ "name": "x", "scopes": [], "expiresInDays": days });
        t.member().post(PATH, form).await.expect(201);
    }
}

#[tokio::test]
async fn the_secret_before_a_rotation_stays_good_for_the_overlap() {
    let t = TestApp::start().await;
    let (id, first) = made(&t, Person::Member, &[]).await;
    let rotated = rotate(&t, &t.member(), id, json!({})).await.expect(200);
    let second = rotated["token"].as_str().unwrap();
    assert_eq!(rotated["apiKey"]["id"], id);
    assert!(rotated["apiKey"]["previousUntil"].is_string());
    assert!(is_good(&t, &first).await && is_good(&t, second).await);
    let day =
        "select round(extract(epoch from previous_until - now()) / 3600)::bigint from api_keys";
    assert_eq!(t.count(day).await, 24);
    t.execute("alter table api_keys disable trigger user; update api_keys set previous_until = now(); alter table api_keys enable trigger user")
        .await;
    assert!(!is_good(&t, &first).await && is_good(&t, second).await);
    let none = json!({ "overlapHours": 0 });
    let rotated = rotate(&t, &t.member(), id, none).await.expect(200);
    let third = rotated["token"].as_str().unwrap();
    assert!(!is_good(&t, &first).await && !is_good(&t, second).await);
    assert!(is_good(&t, third).await);
    let entries = t.audit().await;
    assert_eq!(entries[1]["action"], "API_KEY_ROTATE");
    assert_eq!(entries[1]["payload"], json!({ "overlapHours": 24 }));
}

#[tokio::test]
async fn a_rotation_gives_more_time_only_when_asked() {
    let t = TestApp::start().await;
    let (id, _) = made(&t, Person::Member, &[]).await;
    let days = "select round(extract(epoch from expires_at - now()) / 86400)::bigint from api_keys";
    rotate(&t, &t.member(), id, json!({})).await.expect(200);
    assert_eq!(t.count(days).await, 90);
    let year = json!({ "expiresInDays": 365 });
    rotate(&t, &t.member(), id, year).await.expect(200);
    assert_eq!(t.count(days).await, 365);
}

#[tokio::test]
async fn a_key_that_was_revoked_is_over_and_gone_from_the_list() {
    let t = TestApp::start().await;
    let (id, token) = made(&t, Person::Member, &[]).await;
    assert!(is_good(&t, &token).await);
    let path = format!("{PATH}/{id}");
    t.member().delete(&path).await.expect(204);
    assert!(!is_good(&t, &token).await);
    assert_eq!(t.member().get(PATH).await.expect(200)["data"], json!([]));
    assert_eq!(
        t.member().delete(&path).await.problem(404),
        "api-key-not-found"
    );
    let again = rotate(&t, &t.member(), id, json!({})).await;
    assert_eq!(again.problem(404), "api-key-not-found");
    let actions: Vec<_> = t
        .audit()
        .await
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(actions, ["API_KEY_CREATE", "API_KEY_REVOKE"]);
}

#[tokio::test]
async fn the_last_use_is_noted_once_in_an_hour() {
    let t = TestApp::start().await;
    let (_, token) = made(&t, Person::Member, &[]).await;
    let used = "select coalesce(last_used_at::text, 'never') from api_keys";
    assert_eq!(t.sql(used, &[]).await, "never");
    assert!(is_good(&t, &token).await);
    let first = t.sql(used, &[]).await;
    assert_ne!(first, "never");
    assert!(is_good(&t, &token).await);
    assert_eq!(t.sql(used, &[]).await, first);
    t.execute("update api_keys set last_used_at = now() - interval '61 minutes'")
        .await;
    assert!(is_good(&t, &token).await);
    let fresh = "select count(*) from api_keys where last_used_at > now() - interval '1 minute'";
    assert_eq!(t.count(fresh).await, 1);
    assert_eq!(t.audit().await.len(), 1, "a use leaves no entry");
}

#[tokio::test]
async fn keys_stay_when_the_password_changes_and_go_with_their_owner() {
    let t = TestApp::start().await;
    let (_, token) = made(&t, Person::Member, &[]).await;
    let form = json!({ "currentPassword": PASSWORD, "newPassword": "quite another password" });
    t.member()
        .post("/api/auth/password", form)
        .await
        .expect(204);
    assert!(is_good(&t, &token).await);
    for is_active in [false, true] {
        let form = json!({ "isActive": is_active });
        t.admin().patch("/api/users/4", form).await.expect(200);
        assert_eq!(is_good(&t, &token).await, is_active);
    }
    t.admin().delete("/api/users/4").await.expect(204);
    assert!(!is_good(&t, &token).await);
    let revoked = "select count(*) from api_keys where revoked_at is not null";
    assert_eq!(t.count(revoked).await, 1);
}

#[tokio::test]
async fn keys_that_have_been_over_for_90_days_are_removed() {
    let t = TestApp::with(&[("CRON_SECRET", CRON_SECRET)]).await;
    for _ in 0..4 {
        made(&t, Person::Member, &[]).await;
    }
    t.execute(
        "alter table api_keys disable trigger user;
        update api_keys set created_at = now() - interval '200 days';
        update api_keys set expires_at = now() - interval '91 days' where id = 1;
        update api_keys set expires_at = now() - interval '89 days' where id = 2;
        update api_keys set revoked_at = now() - interval '91 days' where id = 3;
        alter table api_keys enable trigger user",
    )
    .await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    let left = t
        .sql("select jsonb_agg(id order by id) from api_keys", &[])
        .await;
    assert_eq!(left, json!([2, 4]));
}

#[tokio::test]
async fn nobody_has_more_than_fifty_keys_that_are_good() {
    let t = TestApp::start().await;
    t.execute("insert into api_keys (user_id, name, scopes, secret_hash, expires_at)
        select 4, 'x', '{}', sha256(number::text::bytea), now() + interval '1 day' from generate_series(1, 50) as number")
        .await;
    let refused = ask(&t, Person::Member, &[]).await;
    assert_eq!(refused.problem(409), "too-many-api-keys");
    let list = t.member().get(PATH).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 50);
    t.member().delete(&format!("{PATH}/7")).await.expect(204);
    ask(&t, Person::Member, &[]).await.expect(201);
    ask(&t, Person::Admin, &[]).await.expect(201);
}

#[tokio::test]
async fn a_request_that_is_sent_again_gets_the_same_token() {
    let t = TestApp::start().await;
    sign_in_anew(&t).await;
    let keyed = t
        .member()
        .with_header("idempotency-key", "a-key-of-this-test");
    let form = json!({ "name": "deploys", "scopes": [] });
    let first = keyed.post(PATH, form.clone()).await.expect(201);
    let again = keyed.post(PATH, form).await.expect(201);
    assert_eq!(first, again);
    assert!(is_good(&t, again["token"].as_str().unwrap()).await);
    let keyed = t
        .member()
        .with_header("idempotency-key", "another-key-of-this-test");
    let path = format!("{PATH}/1/rotate");
    let first = keyed.post(&path, json!({})).await.expect(200);
    let again = keyed.post(&path, json!({})).await.expect(200);
    assert_eq!(first, again);
    assert!(is_good(&t, again["token"].as_str().unwrap()).await);
    assert_eq!(t.audit().await.len(), 2);
    assert_eq!(t.mails().await.len(), 1);
    // Another day the same `Idempotency-Key` is another one, and never gives an old secret back.
    t.execute("alter table idempotency_keys disable trigger user; delete from idempotency_keys")
        .await;
    let later = keyed.post(&path, json!({})).await.expect(200);
    assert_ne!(later["token"], again["token"]);
}
