//! What people do with their own accounts, and what leads to one.

use http::Method;
use serde_json::json;
use usher_tests::{PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_token, register},
    api_keys, deletion, email_changes, invitations, mail_sign_in,
};

/// Registers, verifies and resets, with what fails on the way, and lets mails be sent, put off and given up.
pub(super) async fn recover(t: &TestApp) {
    register(t, NEW).await.expect(202);
    let post = async |path: &str, form| t.anonymous().post(path, form).await;
    let (resend, verify) = ("/api/auth/resend", "/api/auth/verify-email");
    post(resend, json!({ "email": NEW })).await.expect(202);
    let wrong = json!({ "email": NEW, "code": "nonsense" });
    post(verify, wrong).await.problem(400);
    let right = json!({ "token": newest_token(t).await });
    post(verify, right).await.expect(204);
    let forgot = json!({ "email": NEW });
    post("/api/auth/password/forgot", forgot).await.expect(202);
    let chosen = json!({ "token": newest_token(t).await, "password": "quite another password" });
    post("/api/auth/password/reset", chosen).await.expect(204);
    let session = t.anonymous().sign_in(NEW, "quite another password").await;
    let session = session.expect(200);
    let own = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    let form = json!({ "currentPassword": "quite another password", "newPassword": PASSWORD });
    let path = "/api/auth/password";
    own.post(path, form.clone()).await.expect(204);
    own.post(path, form).await.problem(403);
    move_away(t, "away@example.com").await;
    leave_and_return(t).await;
    have_guests(t).await;
    enter_by_mail(t).await;
    have_machines(t).await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    for age in ["0 hours", "25 hours"] {
        // What was sealed with another secret cannot be sent.
        t.execute(&format!(
            "insert into mails (sealed, created_at) values (decode(repeat('00', 64), 'hex'), now() - interval '{age}')"
        ))
        .await;
        t.scheduler().get("/api/cron/mails").await.expect(200);
    }
}

/// Changes the address of a member, with what fails on the way, and cancels another change.
async fn move_away(t: &TestApp, email: &str) {
    let post = async |path: &str, token: &str| {
        let form = json!({ "token": token });
        t.anonymous().post(path, form).await
    };
    let (confirm, cancel) = ("/api/auth/email/confirm", "/api/auth/email/cancel");
    let links = email_changes::links(t, "nowhere@example.com").await;
    post(cancel, &links.cancel).await.expect(204);
    post(cancel, &links.cancel).await.problem(400);
    let links = email_changes::links(t, email).await;
    post(confirm, &links.old).await.expect(204);
    post(confirm, &links.new).await.expect(204);
    let links = email_changes::links_of(t, Person::Member, email, "member@example.com").await;
    post(confirm, &links.new).await.expect(204);
    post(confirm, &links.old).await.expect(204);
}

/// Takes what is held about a member, deletes the account and restores it, and has another one removed.
async fn leave_and_return(t: &TestApp) {
    t.member().get("/api/me/export").await.expect(200);
    let token = deletion::restore_token(t).await;
    let form = json!({ "token": token });
    let path = "/api/auth/restore";
    t.anonymous().post(path, form.clone()).await.expect(204);
    t.anonymous().post(path, form).await.problem(400);
}

/// Invites people, with what is refused, and lets one of them accept.
async fn have_guests(t: &TestApp) {
    let admin = t.admin();
    let (id, _) = invitations::invited(t, "guest@example.com", &["user"]).await;
    let again = invitations::invite(&admin, "guest@example.com", &["user"]).await;
    again.problem(409);
    let path = format!("/api/invitations/{id}");
    let resend = format!("{path}/resend");
    let sent = admin.request_without_body(&Method::POST, &resend).await;
    sent.expect(200);
    admin.delete(&path).await.expect(204);
    let (_, token) = invitations::invited(t, "guest@example.com", &["user"]).await;
    invitations::accept(t, &token).await.expect(204);
    invitations::accept(t, &token).await.problem(400);
    let first = admin.get("/api/invitations?limit=1").await.expect(200);
    let cursor = first["page"]["nextCursor"].as_str().unwrap();
    let path = format!("/api/invitations?limit=1&cursor={cursor}");
    admin.get(&path).await.expect(200);
}

/// Signs in by mail with a link and with a code, with what is refused, and once more since the answer was lost.
async fn enter_by_mail(t: &TestApp) {
    let caller = t.anonymous().with_header("idempotency-key", "by-mail");
    let mailed = mail_sign_in::mailed(t, "auditor@example.com").await;
    let path = "/api/auth/link/confirm";
    for _ in 0..2 {
        caller.post(path, mailed.by_link()).await.expect(200);
    }
    let mailed = mail_sign_in::mailed(t, "auditor@example.com").await;
    caller.post(path, mailed.by_code()).await.expect(200);
    caller.post(path, mailed.by_link()).await.problem(400);
    let caller = t.anonymous().with_header("idempotency-key", "ask-by-mail");
    let form = json!({ "email": "auditor@example.com" });
    for _ in 0..2 {
        caller
            .post("/api/auth/link", form.clone())
            .await
            .expect(202);
    }
}

/// Lets a machine act, with what is refused, and gives its key another secret.
async fn have_machines(t: &TestApp) {
    let (id, token) = api_keys::made(t, Person::Admin, &["users:read", "users:update"]).await;
    let machine = t.anonymous().with_token(&token);
    machine.get("/api/users/4").await.expect(200);
    let name = json!({ "name": "Mem" });
    machine
        .patch("/api/users/4", name.clone())
        .await
        .expect(200);
    let machine = machine.with_header("idempotency-key", "a-key-of-a-machine");
    machine.patch("/api/users/4", name).await.expect(200);
    let admin = t.admin();
    api_keys::rotate(t, &admin, id, json!({})).await.expect(200);
    api_keys::rotate(t, &admin, 999, json!({}))
        .await
        .problem(404);
    admin.get(api_keys::PATH).await.expect(200);
    let path = format!("{}/{id}", api_keys::PATH);
    admin.delete(&path).await.expect(204);
    let keyed = admin.with_header("idempotency-key", "a-key-of-an-owner");
    let form = json!({ "name": "x", "scopes": [] });
    keyed.post(api_keys::PATH, form).await.expect(201);
}
