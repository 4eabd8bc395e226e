//! The usual request of each operation, and what goes before it.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, Authenticator, PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_token, register},
    api_keys,
    challenges::{half, meet},
    deletion, email_changes,
    enrolled::{code_of, decode, enrol},
    invitations, passkeys,
};

/// Sends the usual request of an operation, which is to succeed. Somebody has signed in before, with this answer.
pub(super) async fn usual(t: &TestApp, method: &Method, path: &str, session: &Value) -> Answer {
    let (admin, anonymous) = (t.admin(), t.anonymous());
    match (method.as_str(), path) {
        ("GET", path) if path.starts_with("/api/cron/") => t.scheduler().get(path).await,
        ("GET", path) => admin.get(&path.replace("{user_id}", "4")).await,
        ("POST", "/api/auth/login") => anonymous.sign_in("admin@example.com", PASSWORD).await,
        ("POST", "/api/auth/refresh") => refresh(t, session).await,
        ("POST", "/api/auth/logout" | "/api/auth/reauthenticate/options") => {
            admin.request_without_body(method, path).await
        }
        ("DELETE", "/api/me/sessions/{session_id}") => {
            let path = format!("/api/me/sessions/{}", Person::Admin.session());
            admin.delete(&path).await
        }
        ("DELETE", "/api/me/sessions") => admin.delete(path).await,
        ("DELETE", "/api/users/{user_id}/sessions") => admin.delete("/api/users/4/sessions").await,
        ("POST", "/api/auth/register") => register(t, "bob@example.com").await,
        ("POST", "/api/auth/resend" | "/api/auth/password/forgot" | "/api/auth/link") => {
            let form = json!({ "email": "member@example.com" });
            anonymous.post(path, form).await
        }
        (
            "POST",
            "/api/auth/verify-email"
            | "/api/auth/email/confirm"
            | "/api/auth/email/cancel"
            | "/api/auth/restore",
        ) => {
            let form = json!({ "token": session["mailed"] });
            anonymous.post(path, form).await
        }
        ("POST", "/api/auth/link/confirm") => anonymous.post(path, session["kept"].clone()).await,
        ("POST", "/api/auth/password/reset") => {
            let form = json!({ "token": session["mailed"], "password": "quite another password" });
            anonymous.post(path, form).await
        }
        ("POST", "/api/auth/password") => {
            let new = "quite another password";
            let form = json!({ "currentPassword": PASSWORD, "newPassword": new });
            admin.post(path, form).await
        }
        ("POST", "/api/me/email") => {
            let form = json!({ "newEmail": "other@example.com", "currentPassword": PASSWORD });
            admin.post(path, form).await
        }
        ("DELETE", "/api/me") => deletion::leave(&t.member()).await,
        ("POST", "/api/auth/reauthenticate") => {
            admin.post(path, json!({ "password": PASSWORD })).await
        }
        ("POST", "/api/invitations") => {
            invitations::invite(&admin, "bob@example.com", &["user"]).await
        }
        ("DELETE", "/api/invitations/{invitation_id}") => admin.delete("/api/invitations/1").await,
        ("POST", "/api/invitations/{invitation_id}/resend") => {
            let path = "/api/invitations/1/resend";
            admin.request_without_body(method, path).await
        }
        ("POST", "/api/auth/invitation") => {
            let form = json!({ "token": session["mailed"], "name": "Ada", "password": PASSWORD });
            anonymous.post(path, form).await
        }
        ("POST", "/api/auth/challenge") => {
            let code = session["codes"][0].as_str().unwrap();
            meet(t, session["challenge"].as_str().unwrap(), code).await
        }
        ("POST", "/api/me/factors/totp/confirm") => {
            let key = decode(session["secret"].as_str().unwrap());
            t.member()
                .post(path, json!({ "code": code_of(&key) }))
                .await
        }
        ("POST", "/api/me/factors/totp" | "/api/me/factors/recovery-codes") => {
            t.member().request_without_body(method, path).await
        }
        ("DELETE", "/api/me/factors/totp") => t.member().delete(path).await,
        ("DELETE", "/api/users/{user_id}/factors") => admin.delete("/api/users/4/factors").await,
        ("POST", path) if path.ends_with("/options") => {
            let caller = if path.contains("/me/") {
                admin
            } else {
                anonymous
            };
            caller.request_without_body(method, path).await
        }
        ("POST", "/api/auth/passkey") => anonymous.post(path, session["answer"].clone()).await,
        ("POST", "/api/me/passkeys") => admin.post(path, session["answer"].clone()).await,
        ("PATCH", "/api/me/passkeys/{passkey_id}") => {
            let passkey = session["passkey"].as_str().unwrap();
            admin.patch(passkey, json!({ "name": "Key" })).await
        }
        ("DELETE", "/api/me/passkeys/{passkey_id}") => {
            admin.delete(session["passkey"].as_str().unwrap()).await
        }
        ("POST", "/api/me/api-keys") => {
            let form = json!({ "name": "deploys", "scopes": ["users:read"] });
            admin.post(path, form).await
        }
        ("DELETE", "/api/me/api-keys/{key_id}") => admin.delete("/api/me/api-keys/1").await,
        ("POST", "/api/me/api-keys/{key_id}/rotate") => {
            admin.post("/api/me/api-keys/1/rotate", json!({})).await
        }
        ("PATCH", "/api/me") => admin.patch(path, json!({ "name": "Somebody" })).await,
        ("POST", "/api/users") => {
            let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
            admin.post(path, new).await
        }
        ("PATCH", "/api/users/{user_id}") => {
            let change = json!({ "email": "other@example.com" });
            admin.patch("/api/users/4", change).await
        }
        ("DELETE", "/api/users/{user_id}") => admin.delete("/api/users/4").await,
        ("PUT", "/api/users/{user_id}/roles") => {
            let roles = json!({ "roles": ["auditor", "user"] });
            admin.put("/api/users/4/roles", roles).await
        }
        (method, path) => panic!("send a usual {method} {path} here"),
    }
}

/// Returns the token of the mail that goes before an operation, if one does.
pub(super) async fn mailed(t: &TestApp, path: &str) -> Option<String> {
    match path {
        "/api/auth/verify-email" => register(t, NEW).await.expect(202),
        "/api/auth/password/reset" => {
            let form = json!({ "email": "member@example.com" });
            let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
            forgot.expect(202)
        }
        "/api/auth/email/confirm" => {
            let links = email_changes::links(t, "new@example.com").await;
            return Some(links.old);
        }
        "/api/me/api-keys" => {
            api_keys::sign_in_anew(t).await;
            return Some(String::new());
        }
        "/api/me/api-keys/{key_id}" | "/api/me/api-keys/{key_id}/rotate" => {
            let (_, token) = api_keys::made(t, Person::Admin, &["users:read"]).await;
            return Some(token);
        }
        "/api/auth/restore" => return Some(deletion::restore_token(t).await),
        "/api/auth/invitation"
        | "/api/invitations/{invitation_id}"
        | "/api/invitations/{invitation_id}/resend" => {
            let (_, token) = invitations::invited(t, NEW, &["user"]).await;
            return Some(token);
        }
        "/api/auth/email/cancel" => {
            let links = email_changes::links(t, "new@example.com").await;
            return Some(links.cancel);
        }
        _ => return None,
    };
    Some(newest_token(t).await)
}

/// Gives the member an authenticator app, or begins with one, where an operation needs it.
pub(super) async fn prepare(t: &TestApp, method: &Method, path: &str, session: &mut Value) {
    match (method.as_str(), path) {
        ("POST", "/api/me/factors/totp/confirm") => {
            let first = "/api/me/factors/totp";
            let begun = t.member().request_without_body(method, first).await;
            session["secret"] = begun.expect(200)["secret"].clone();
        }
        ("POST", "/api/me/factors/recovery-codes")
        | ("DELETE", "/api/me/factors/totp" | "/api/users/{user_id}/factors") => {
            enrol(t, Person::Member).await;
        }
        ("POST", "/api/auth/reauthenticate/options") => {
            passkeys::added(&t.admin()).await;
        }
        ("POST", "/api/auth/challenge") => {
            session["codes"] = enrol(t, Person::Member).await.codes.into();
            session["challenge"] = half(t, Person::Member).await.into();
        }
        _ => {}
    }
}

/// Does what goes before an operation on passkeys, and keeps what came of it.
pub(super) async fn prepare_passkey(t: &TestApp, path: &str, session: &mut Value) {
    let mut authenticator = Authenticator::default();
    match path {
        "/api/auth/passkey" => {
            passkeys::add(&t.admin(), &mut authenticator, "Phone")
                .await
                .expect(201);
            let caller = t.anonymous();
            session["answer"] = passkeys::answer(&caller, &mut authenticator).await;
        }
        "/api/me/passkeys" => {
            session["answer"] = passkeys::made(&t.admin(), &mut authenticator, "Phone").await;
        }
        "/api/me/passkeys/{passkey_id}" => {
            session["passkey"] = passkeys::added(&t.admin()).await.into();
        }
        _ => {}
    }
}

pub(super) async fn refresh(t: &TestApp, session: &Value) -> Answer {
    let token = json!({ "refreshToken": session["refreshToken"] });
    t.anonymous().post("/api/auth/refresh", token).await
}
