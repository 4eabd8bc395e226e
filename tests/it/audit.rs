//! Every change leaves exactly one entry, and what fails leaves none.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use usher_http::routes;
use usher_tests::{Answer, Authenticator, CRON_SECRET, PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_token, register},
    api_keys,
    challenges::{half, meet},
    deletion, email_changes,
    enrolled::{begin, code_of, enrol},
    invitations, mail_sign_in, passkeys,
};

/// One success for every operation that says it is audited.
async fn succeed(t: &TestApp, method: &Method, path: &str) -> Answer {
    let admin = t.admin();
    match (method.as_str(), path) {
        ("POST", "/api/auth/login") => t.anonymous().sign_in("member@example.com", PASSWORD).await,
        ("POST", "/api/auth/refresh") => {
            let session = t
                .anonymous()
                .sign_in("member@example.com", PASSWORD)
                .await
                .expect(200);
            t.anonymous()
                .post(path, json!({ "refreshToken": session["refreshToken"] }))
                .await
        }
        ("POST", "/api/auth/logout" | "/api/me/factors/totp") => {
            t.member().request_without_body(method, path).await
        }
        ("POST", "/api/auth/register") => register(t, NEW).await,
        ("POST", "/api/auth/resend" | "/api/auth/password/forgot" | "/api/auth/link") => {
            let form = json!({ "email": "member@example.com" });
            t.anonymous().post(path, form).await
        }
        ("POST", "/api/auth/verify-email") => {
            register(t, NEW).await.expect(202);
            let form = json!({ "token": newest_token(t).await });
            t.anonymous().post(path, form).await
        }
        ("POST", "/api/auth/link/confirm") => {
            let mailed = mail_sign_in::mailed(t, "member@example.com").await;
            mail_sign_in::confirm(t, mailed.by_link()).await
        }
        ("POST", "/api/auth/password/reset") => {
            let form = json!({ "email": "member@example.com" });
            let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
            forgot.expect(202);
            let form =
                json!({ "token": newest_token(t).await, "password": "a long enough password" });
            t.anonymous().post(path, form).await
        }
        ("POST", "/api/auth/password") => {
            let new = "a long enough password";
            let form = json!({ "currentPassword": PASSWORD, "newPassword": new });
            t.member().post(path, form).await
        }
        ("POST", "/api/me/email") => email_changes::ask(t, "new@example.com").await,
        ("POST", "/api/auth/email/confirm") => {
            let links = email_changes::links(t, "new@example.com").await;
            t.anonymous()
                .post(path, json!({ "token": links.old }))
                .await
        }
        ("POST", "/api/auth/email/cancel") => {
            let links = email_changes::links(t, "new@example.com").await;
            let form = json!({ "token": links.cancel });
            t.anonymous().post(path, form).await
        }
        ("GET", "/api/me/export") => t.member().get(path).await,
        ("DELETE", "/api/me") => deletion::leave(&t.member()).await,
        ("POST", "/api/auth/restore") => {
            let form = json!({ "token": deletion::restore_token(t).await });
            t.anonymous().post(path, form).await
        }
        ("POST", "/api/auth/reauthenticate") => {
            t.member().post(path, json!({ "password": PASSWORD })).await
        }
        ("POST", "/api/invitations") => {
            invitations::invite(&admin, invitations::NEW, &["user"]).await
        }
        ("DELETE", "/api/invitations/{invitation_id}") => {
            let (id, _) = invitations::invited(t, invitations::NEW, &["user"]).await;
            admin.delete(&format!("/api/invitations/{id}")).await
        }
        ("POST", "/api/invitations/{invitation_id}/resend") => {
            let (id, _) = invitations::invited(t, invitations::NEW, &["user"]).await;
            let path = format!("/api/invitations/{id}/resend");
            admin.request_without_body(method, &path).await
        }
        ("POST", "/api/auth/invitation") => {
            let (_, token) = invitations::invited(t, invitations::NEW, &["user"]).await;
            invitations::accept(t, &token).await
        }
        ("POST", "/api/auth/challenge") => {
            let enrolled = enrol(t, Person::Member).await;
            let challenge = half(t, Person::Member).await;
            meet(t, &challenge, &enrolled.codes[0]).await
        }
        ("POST", "/api/me/factors/totp/confirm") => {
            let form = json!({ "code": code_of(&begin(&t.member()).await) });
            t.member().post(path, form).await
        }
        ("POST", "/api/me/factors/recovery-codes") => {
            enrol(t, Person::Member).await;
            t.member().request_without_body(method, path).await
        }
        ("DELETE", "/api/me/factors/totp") => {
            enrol(t, Person::Member).await;
            t.member().delete(path).await
        }
        ("DELETE", "/api/users/{user_id}/factors") => {
            enrol(t, Person::Member).await;
            admin.delete("/api/users/4/factors").await
        }
        ("POST", "/api/auth/passkey") => {
            let mut authenticator = Authenticator::default();
            passkeys::add(&t.member(), &mut authenticator, "Phone")
                .await
                .expect(201);
            passkeys::sign_in(&t.anonymous(), &mut authenticator).await
        }
        ("POST", "/api/me/passkeys") => {
            passkeys::add(&t.member(), &mut Authenticator::default(), "Phone").await
        }
        ("PATCH", "/api/me/passkeys/{passkey_id}") => {
            let path = passkeys::added(&t.member()).await;
            t.member().patch(&path, json!({ "name": "Key" })).await
        }
        ("DELETE", "/api/me/passkeys/{passkey_id}") => {
            let path = passkeys::added(&t.member()).await;
            t.member().delete(&path).await
        }
        ("POST", "/api/me/api-keys") => api_keys::ask(t, Person::Member, &[]).await,
        ("DELETE", "/api/me/api-keys/{key_id}") => {
            let (id, _) = api_keys::made(t, Person::Member, &[]).await;
            t.member().delete(&format!("/api/me/api-keys/{id}")).await
        }
        ("POST", "/api/me/api-keys/{key_id}/rotate") => {
            let (id, _) = api_keys::made(t, Person::Member, &[]).await;
            api_keys::rotate(t, &t.member(), id, json!({})).await
        }
        ("PATCH", "/api/me") => t.member().patch(path, json!({ "name": "Mem" })).await,
        ("POST", "/api/users") => {
            let new = json!({ "name": "Ada", "email": "ada@example.com", "password": "a long enough password" });
            admin.post(path, new).await
        }
        ("PATCH", "/api/users/{user_id}") => {
            admin
                .patch(
                    "/api/users/4",
                    json!({ "email": "new@example.com", "isActive": false }),
                )
                .await
        }
        ("DELETE", "/api/users/{user_id}") => admin.delete("/api/users/4").await,
        ("PUT", "/api/users/{user_id}/roles") => {
            admin
                .put("/api/users/4/roles", json!({ "roles": ["auditor"] }))
                .await
        }
        ("DELETE", "/api/me/sessions") => t.member().delete(path).await,
        ("DELETE", "/api/me/sessions/{session_id}") => {
            let path = format!("/api/me/sessions/{}", Person::Member.session());
            t.member().delete(&path).await
        }
        ("DELETE", "/api/users/{user_id}/sessions") => admin.delete("/api/users/4/sessions").await,
        ("GET", "/api/audit-logs") => t.caller(Person::Auditor).get(path).await,
        ("GET", "/api/cron/maintain") => t.scheduler().get(path).await,
        _ => panic!("{method} {path} has no success here: add one"),
    }
}

fn payload(method: &Method, path: &str) -> Option<Value> {
    let member = json!({ "name": "member", "email": "member@example.com", "roles": ["user"], "isActive": true, "avatarUrl": null });
    match (method.as_str(), path) {
        ("POST", "/api/invitations") => {
            Some(json!({ "after": { "name": null, "email": invitations::NEW, "roles": ["user"] } }))
        }
        ("POST", "/api/me/api-keys") => {
            Some(json!({ "after": { "name": "deploys", "scopes": [], "days": 90 } }))
        }
        ("POST", "/api/me/api-keys/{key_id}/rotate") => Some(json!({ "overlapHours": 24 })),
        ("GET", "/api/me/export") => Some(json!({ "read": "export" })),
        ("DELETE", "/api/me") => Some(json!({ "days": 30 })),
        ("PATCH", "/api/me") => {
            Some(json!({ "before": { "name": "member" }, "after": { "name": "Mem" } }))
        }
        ("POST", "/api/users") => Some(
            json!({ "after": { "name": "Ada", "email": "ada@example.com", "roles": ["user"], "isActive": true, "avatarUrl": null } }),
        ),
        ("PATCH", "/api/users/{user_id}") => Some(json!({
            "before": { "email": "member@example.com", "isActive": true },
            "after": { "email": "new@example.com", "isActive": false },
        })),
        ("DELETE", "/api/users/{user_id}") => Some(json!({ "before": member })),
        ("DELETE", "/api/me/sessions") => Some(json!({ "sessions": "others" })),
        ("DELETE", "/api/me/sessions/{session_id}") => {
            Some(json!({ "sessionId": Person::Member.session() }))
        }
        ("DELETE", "/api/users/{user_id}/sessions") => Some(json!({ "sessions": "all" })),
        ("PUT", "/api/users/{user_id}/roles") => {
            Some(json!({ "before": { "roles": ["user"] }, "after": { "roles": ["auditor"] } }))
        }
        _ => None,
    }
}

#[tokio::test]
async fn every_audited_operation_leaves_exactly_one_entry() {
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            let Some(action) = operation.action else {
                // What asks for a challenge changes nothing until that is answered.
                assert!(
                    operation.method == Method::GET || endpoint.path.ends_with("/options"),
                    "{} {} changes something unseen",
                    operation.method,
                    endpoint.path
                );
                continue;
            };
            let t = TestApp::with(&[("CRON_SECRET", CRON_SECRET)]).await;
            let answer = succeed(&t, &operation.method, endpoint.path).await;
            assert!(answer.status() < 300, "{}", answer.text());
            let entries = t.audit().await;
            let entries: Vec<_> = entries
                .iter()
                .filter(|entry| entry["action"] == action.as_str())
                .collect();
            let what = format!("{} {}", operation.method, endpoint.path);
            assert_eq!(entries.len(), 1, "{what}");
            let entry = entries[0];
            assert_eq!(entry["request_id"], answer.header("x-request-id"), "{what}");
            assert_eq!(
                (&entry["ip"], &entry["user_agent"]),
                (&json!("203.0.113.7"), &json!("test/1")),
                "{what}"
            );
            if let Some(payload) = payload(&operation.method, endpoint.path) {
                assert_eq!(entry["payload"], payload, "{what}");
                assert!(
                    entry["actor_id"].is_number() && entry["session_id"].is_string(),
                    "{what}"
                );
            }
            let all = Value::from(t.audit().await).to_string();
            for secret in ["argon2", "a long enough", PASSWORD, "usher_rt_", "eyJ"] {
                assert!(!all.contains(secret), "{what}: {all}");
            }
        }
    }
}

#[tokio::test]
async fn what_fails_leaves_no_entry() {
    let t = TestApp::start().await;
    let admin = t.admin();
    let stale = t.admin().with_header("if-match", "\"9\"");
    for (answer, status) in [
        (admin.post("/api/users", json!({ "name": "x" })).await, 400),
        (
            admin
                .post(
                    "/api/users",
                    json!({ "name": "x", "email": "member@example.com" }),
                )
                .await,
            409,
        ),
        (
            admin
                .post(
                    "/api/users",
                    json!({ "name": "x", "email": "x@example.com", "roles": ["none"] }),
                )
                .await,
            400,
        ),
        (
            admin
                .patch("/api/users/4", json!({ "email": "admin@example.com" }))
                .await,
            409,
        ),
        (
            admin.patch("/api/users/99", json!({ "name": "x" })).await,
            404,
        ),
        (
            stale.patch("/api/users/4", json!({ "name": "x" })).await,
            412,
        ),
        (stale.delete("/api/users/4").await, 412),
        (
            admin
                .put("/api/users/1/roles", json!({ "roles": ["user"] }))
                .await,
            409,
        ),
        (admin.delete("/api/users/1").await, 409),
        (t.caller(Person::Auditor).delete("/api/users/4").await, 403),
        (t.member().get("/api/audit-logs").await, 403),
        (t.anonymous().delete("/api/users/4").await, 401),
        (
            t.caller(Person::Locked)
                .patch("/api/me", json!({ "name": "x" }))
                .await,
            401,
        ),
    ] {
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
    assert!(t.audit().await.is_empty(), "{:?}", t.audit().await);
    assert_eq!(
        t.count("select sum(version)::bigint from users").await,
        5,
        "and no change"
    );
}

#[tokio::test]
async fn a_change_whose_entry_cannot_be_written_does_not_happen() {
    let t = TestApp::start().await;
    t.execute("alter table audit_logs add constraint audit_logs_test_check check (action = 'NONE') not valid").await;
    let admin = t.admin();
    for answer in [
        admin
            .post(
                "/api/users",
                json!({ "name": "x", "email": "x@example.com" }),
            )
            .await,
        admin.patch("/api/users/4", json!({ "name": "x" })).await,
        admin
            .put("/api/users/4/roles", json!({ "roles": ["auditor"] }))
            .await,
        admin.delete("/api/users/4").await,
        admin.get("/api/audit-logs").await,
        t.member()
            .request_without_body(&Method::POST, "/api/auth/logout")
            .await,
        t.anonymous().sign_in("member@example.com", PASSWORD).await,
        t.anonymous()
            .sign_in("member@example.com", "a wrong password")
            .await,
    ] {
        assert_eq!(answer.problem(500), "internal");
        assert!(!answer.text().contains("audit"), "{}", answer.text());
    }
    assert_eq!(t.count("select sum(version)::bigint from users").await, 5);
    assert_eq!(
        t.count("select count(*) from sessions where ended_at is null")
            .await,
        5
    );
}

#[test]
fn every_action_has_its_operation() {
    let mut said = BTreeSet::new();
    for endpoint in routes::ALL {
        said.extend(
            endpoint
                .operations()
                .list()
                .iter()
                .filter_map(|operation| operation.action)
                .map(usher_domain::Action::as_str),
        );
    }
    // These are what is left by what fails, or is half done: a sign-in, a refresh, a link, a mail, or too much of it; and by the
    // second one who confirms.
    said.extend([
        "LIMITED",
        "CODE_REFUSED",
        "LOGIN_CHALLENGE",
        "LOGIN_FAILED",
        "EMAIL_CHANGE",
        "REFRESH_REUSE",
        "SECRET_REFUSED",
        "PASSWORD_REFUSED",
        "PASSKEY_REFUSED",
        "MAIL_FAILED",
    ]);
    let all: BTreeSet<_> = usher_domain::Action::ALL
        .iter()
        .map(|action| action.as_str())
        .collect();
    assert_eq!(said, all);
}
