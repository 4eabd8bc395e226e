//! Ways to get more from an API key than it gives, that do not work.

use http::Method;
use serde_json::json;
use usher_http::{access::Access, routes};
use usher_tests::{PASSWORD, Person, TestApp, connect};
use uuid::Uuid;

use crate::api_keys::{PATH, ask, is_good, made, rotate};

#[tokio::test]
async fn attack_with_a_token_that_is_cut_extended_or_changed() {
    let t = TestApp::start().await;
    let (_, token) = made(&t, Person::Member, &[]).await;
    assert!(is_good(&t, &token).await);
    for end in [0, 1, 9, 30, 63, 69] {
        assert!(!is_good(&t, &token[..end]).await, "{end}");
    }
    for more in ["A", "=", "_", "%00", ".A.A"] {
        assert!(!is_good(&t, &format!("{token}{more}")).await, "{more}");
    }
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'B' { b'C' } else { b'B' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(!is_good(&t, &changed).await, "{changed}");
    }
    // With a good checksum: the secret of another key, and an id that is none.
    let (_, other) = made(&t, Person::Helper, &[]).await;
    let hash = "update api_keys set secret_hash = sha256('x') where id = 2";
    t.execute(hash).await;
    assert!(!is_good(&t, &other).await);
    let me = t
        .anonymous()
        .with_token(&token)
        .get("/api/me")
        .await
        .expect(200);
    assert_eq!(me["id"], 4);
}

#[tokio::test]
async fn attack_on_the_key_of_somebody_else() {
    let t = TestApp::start().await;
    let (id, token) = made(&t, Person::Member, &[]).await;
    for person in [Person::Admin, Person::Helper] {
        let caller = t.caller(person);
        let path = format!("{PATH}/{id}");
        assert_eq!(caller.delete(&path).await.problem(404), "api-key-not-found");
        let refused = rotate(&t, &caller, id, json!({})).await;
        assert_eq!(refused.problem(404), "api-key-not-found");
        assert_eq!(caller.get(PATH).await.expect(200)["data"], json!([]));
    }
    for id in ["0", "-1", "x", "9223372036854775808", "%00"] {
        let refused = t.member().delete(&format!("{PATH}/{id}")).await;
        assert!([400, 404].contains(&refused.status()), "{id}");
    }
    assert!(is_good(&t, &token).await);
}

#[tokio::test]
async fn attack_with_a_key_after_it_expired() {
    let t = TestApp::start().await;
    let (id, token) = made(&t, Person::Member, &[]).await;
    t.execute("alter table api_keys disable trigger user; update api_keys set created_at = now() - interval '91 days', expires_at = now(); alter table api_keys enable trigger user")
        .await;
    assert!(!is_good(&t, &token).await);
    let refused = rotate(&t, &t.member(), id, json!({ "expiresInDays": 9 })).await;
    assert_eq!(refused.problem(404), "api-key-not-found");
    let path = format!("{PATH}/{id}");
    assert_eq!(
        t.member().delete(&path).await.problem(404),
        "api-key-not-found"
    );
}

#[tokio::test]
async fn attack_in_the_second_in_which_the_owner_is_banned_or_demoted_on_another_instance() {
    let t = TestApp::start().await;
    let grant = json!({ "roles": ["admin"] });
    t.admin().put("/api/users/4/roles", grant).await.expect(200);
    let (_, token) = made(&t, Person::Member, &["users:read", "audit:read"]).await;
    let (_, beside) = t.beside(&[]);
    let machine = beside.with_token(&token);
    machine.get("/api/users").await.expect(200);
    let roles = json!({ "roles": ["auditor"] });
    t.admin().put("/api/users/4/roles", roles).await.expect(200);
    machine.get("/api/users").await.expect(200);
    let roles = json!({ "roles": ["user"] });
    t.admin().put("/api/users/4/roles", roles).await.expect(200);
    assert_eq!(machine.get("/api/users").await.problem(403), "forbidden");
    let me = machine.get("/api/me").await.expect(200);
    assert_eq!(me["permissions"], json!([]));
    let off = json!({ "isActive": false });
    t.admin().patch("/api/users/4", off).await.expect(200);
    assert_eq!(machine.get("/api/me").await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn attack_while_the_body_is_under_way() {
    for (end, problem) in [
        (
            "update api_keys set revoked_at = now()",
            (401, "unauthenticated"),
        ),
        (
            "update users set is_active = false where id = 2",
            (401, "unauthenticated"),
        ),
        (
            "update api_keys set secret_hash = sha256('x'), previous_hash = secret_hash, previous_until = now(), rotated_at = now()",
            (401, "unauthenticated"),
        ),
        (
            "update users set is_self_registered = true, email_verified_at = null where id = 2",
            (401, "unauthenticated"),
        ),
        (
            "update users set roles = '{auditor}' where id = 2",
            (403, "forbidden"),
        ),
    ] {
        let t = TestApp::start().await;
        t.execute("update users set roles = '{admin}' where id = 2")
            .await;
        let (_, token) = made(&t, Person::Auditor, &["users:create", "users:read"]).await;
        let machine = t.anonymous().with_token(&token);
        let new = json!({ "name": "Ada", "email": "ada@example.com" });
        let late = machine.send_late(&Method::POST, "/api/users", new, t.execute(end));
        assert_eq!(late.await.problem(problem.0), problem.1, "{end}");
        let made = "select count(*) from users where email = 'ada@example.com'";
        assert_eq!(t.count(made).await, 0, "{end}");
        assert_eq!(t.audit().await.len(), 1, "{end}");
    }
}

#[tokio::test]
async fn attack_by_asking_for_more_than_the_owner_holds() {
    let t = TestApp::start().await;
    for (person, scopes) in [
        (Person::Member, &["users:read"][..]),
        (Person::Auditor, &["users:read", "users:update"]),
        (Person::Helper, &["users:read", "roles:grant"]),
    ] {
        let refused = ask(&t, person, scopes).await;
        assert_eq!(refused.problem(403), "role-escalation");
    }
    // Nor does a key get what its owner is given later, beyond its scopes.
    let (_, token) = made(&t, Person::Member, &[]).await;
    let grant = json!({ "roles": ["admin"] });
    t.admin().put("/api/users/4/roles", grant).await.expect(200);
    let machine = t.anonymous().with_token(&token);
    assert_eq!(machine.get("/api/users").await.problem(403), "forbidden");
    // Nor does it give away what is beyond them.
    let (_, token) = made(
        &t,
        Person::Admin,
        &["roles:grant", "users:create", "users:read"],
    )
    .await;
    let machine = t.anonymous().with_token(&token);
    let roles = json!({ "roles": ["admin"] });
    let refused = machine.put("/api/users/3/roles", roles).await;
    assert_eq!(refused.problem(403), "role-escalation");
    let new = json!({ "name": "Ada", "email": "ada@example.com", "roles": ["admin"] });
    let refused = machine.post("/api/users", new).await;
    assert_eq!(refused.problem(403), "role-escalation");
}

#[tokio::test]
async fn attack_on_the_owner_by_the_paths_of_administrators() {
    let t = TestApp::start().await;
    let scopes = [
        "audit:read",
        "invitations:create",
        "invitations:delete",
        "invitations:read",
        "roles:grant",
        "roles:read",
        "users:create",
        "users:delete",
        "users:read",
        "users:update",
    ];
    let (_, token) = made(&t, Person::Admin, &scopes).await;
    let machine = t.anonymous().with_token(&token);
    let email = json!({ "email": "eve@example.com" });
    let roles = json!({ "roles": ["user"] });
    for refused in [
        machine.patch("/api/users/1", email).await,
        machine.put("/api/users/1/roles", roles).await,
        machine.delete("/api/users/1").await,
        machine.delete("/api/users/1/sessions").await,
        machine.get("/api/users/1/sessions").await,
    ] {
        assert_eq!(refused.problem(403), "session-required");
    }
    machine.delete("/api/users/4").await.expect(204);
}

#[tokio::test]
async fn attack_with_a_key_on_every_path_that_asks_for_a_session() {
    let t = TestApp::start().await;
    let (_, token) = made(&t, Person::Admin, &["users:read"]).await;
    let machine = t.anonymous().with_token(&token);
    let mut open = Vec::new();
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            let name = format!("{} {}", operation.method, endpoint.path);
            let path = endpoint.path.replace("{user_id}", "4");
            let path = path.replace("{session_id}", &Person::Admin.session().to_string());
            let path = path
                .replace("{key_id}", "1")
                .replace("{passkey_id}", &Uuid::max().to_string())
                .replace("{invitation_id}", "1");
            let answer = machine.json(&operation.method, &path, "{}").await;
            match operation.access() {
                Access::SignedIn | Access::May(_) if !operation.takes_keys() => {
                    assert_eq!(answer.problem(403), "session-required", "{name}");
                }
                Access::SignedIn => open.push(name),
                Access::May(_) => {
                    assert!(
                        ![401, 404].contains(&answer.status()) || path.contains("invitations/1"),
                        "{name}"
                    );
                }
                Access::Scheduler => assert!([401, 404].contains(&answer.status()), "{name}"),
                // Nobody is asked for anything there, and a key makes no difference but at the sign-out.
                Access::Anyone if endpoint.path == "/api/auth/logout" => {
                    assert_eq!(answer.problem(403), "session-required", "{name}");
                }
                Access::Anyone => assert!(answer.status() < 500, "{name}"),
            }
        }
    }
    assert_eq!(open, ["GET /api/me"]);
    let alive = "select count(*) from sessions where ended_at is not null";
    assert_eq!(t.count(alive).await, 0);
    assert!(is_good(&t, &token).await);
    // A key is no password and no refresh token either.
    t.anonymous()
        .sign_in("admin@example.com", &token)
        .await
        .problem(401);
    let form = json!({ "refreshToken": token });
    t.anonymous()
        .post("/api/auth/refresh", form)
        .await
        .problem(401);
}

#[tokio::test]
async fn attack_on_what_is_stored_by_the_role_of_the_functions() {
    let t = TestApp::start().await;
    let (_, token) = made(&t, Person::Member, &[]).await;
    let app = connect(&t.app_url()).await;
    for change in [
        "update api_keys set scopes = '{users:read}'",
        "update api_keys set user_id = 1",
        "update api_keys set name = 'x'",
        "update api_keys set expires_at = expires_at + interval '1 day'",
        "update api_keys set previous_hash = sha256('x'), previous_until = now() + interval '1 day', rotated_at = now()",
        "update api_keys set secret_hash = sha256('x'), expires_at = now() + interval '2 years'",
        "insert into api_keys (user_id, name, scopes, secret_hash, expires_at) values (4, 'x', '{}', sha256('x'), now() + interval '400 days')",
        "insert into api_keys (user_id, name, scopes, secret_hash, expires_at, created_at) values (4, 'x', '{}', sha256('x'), now() + interval '9 days', now() - interval '1 day')",
    ] {
        assert!(app.batch_execute(change).await.is_err(), "{change}");
    }
    app.batch_execute("delete from api_keys").await.unwrap();
    assert!(is_good(&t, &token).await);
    t.member().delete(&format!("{PATH}/1")).await.expect(204);
    app.batch_execute("update api_keys set revoked_at = null")
        .await
        .unwrap();
    assert!(!is_good(&t, &token).await);
}

#[tokio::test]
async fn attack_by_restoring_access_with_a_key_after_a_password_reset() {
    let t = TestApp::start().await;
    let (_, token) = made(&t, Person::Member, &[]).await;
    let machine = t.anonymous().with_token(&token);
    let form = json!({ "password": PASSWORD });
    let refused = machine.post("/api/auth/reauthenticate", form).await;
    assert_eq!(refused.problem(403), "session-required");
    let form = json!({ "name": "another", "scopes": [] });
    assert_eq!(
        machine.post(PATH, form).await.problem(403),
        "session-required"
    );
}

#[tokio::test]
async fn a_read_with_a_key_waits_once_and_a_change_twice() {
    let (t, wire) = TestApp::on_a_wire().await;
    let (_, token) = made(&t, Person::Admin, &["users:read", "users:update"]).await;
    let machine = t.anonymous().with_token(&token);
    for _ in 0..2 {
        for (path, waits) in [("/api/me", 1), ("/api/users", 1), ("/api/users/4", 1)] {
            wire.take();
            machine.get(path).await.expect(200);
            assert_eq!(wire.take().waits, waits, "{path}");
        }
        t.execute("update api_keys set last_used_at = null").await;
    }
    wire.take();
    let name = json!({ "name": "Mem" });
    machine.patch("/api/users/4", name).await.expect(200);
    assert_eq!(wire.take().waits, 2);
    // What no key opens costs nothing, nor does what is no key.
    machine
        .request_without_body(&Method::DELETE, "/api/me/sessions")
        .await
        .problem(403);
    t.anonymous()
        .with_token("usher_ak_x")
        .get("/api/me")
        .await
        .problem(401);
    assert_eq!(wire.take().waits, 0);
}
