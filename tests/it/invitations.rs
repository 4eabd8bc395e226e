//! Invitations: who may invite whom to what, the mail, the one time it is good for, and the account that comes of it.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, Caller, PASSWORD, Person, TestApp};

use crate::accounts::newest_token;

pub(crate) const PATH: &str = "/api/invitations";
pub(crate) const ACCEPT: &str = "/api/auth/invitation";
pub(crate) const NEW: &str = "ada@example.com";

/// Invites somebody to roles.
pub(crate) async fn invite(caller: &Caller, email: &str, roles: &[&str]) -> Answer {
    let form = json!({ "email": email, "roles": roles });
    caller.post(PATH, form).await
}

/// Invites somebody, and returns the id of the invitation with the token of its mail.
pub(crate) async fn invited(t: &TestApp, email: &str, roles: &[&str]) -> (i64, String) {
    let invitation = invite(&t.admin(), email, roles).await.expect(201);
    (invitation["id"].as_i64().unwrap(), newest_token(t).await)
}

/// Accepts an invitation.
pub(crate) async fn accept(t: &TestApp, token: &str) -> Answer {
    let form = json!({ "token": token, "name": "Ada", "password": PASSWORD });
    t.anonymous().post(ACCEPT, form).await
}

async fn actions(t: &TestApp) -> Vec<Value> {
    let entries = t.audit().await.into_iter();
    entries.map(|entry| entry["action"].clone()).collect()
}

#[tokio::test]
async fn who_accepts_has_an_account_with_the_roles_and_a_verified_address_whoever_may_register() {
    for sign_up in ["closed", "invited", "open"] {
        let t = TestApp::with(&[("USHER_SIGN_UP", sign_up)]).await;
        let answer = invite(&t.admin(), " Ada@Example.com ", &["auditor"]).await;
        let invitation = answer.expect(201);
        assert_eq!(
            answer.header("location"),
            format!("{PATH}/{}", invitation["id"])
        );
        assert_eq!(invitation["email"], NEW);
        assert_eq!(invitation["state"], "pending");
        assert_eq!(invitation["invitedBy"], 1);
        let days =
            "select extract(epoch from expires_at - created_at)::bigint / 86400 from invitations";
        assert_eq!(t.count(days).await, 7);
        let mails = t.mails().await;
        assert_eq!((mails.len(), mails[0].to.as_str()), (1, NEW));
        let token = newest_token(&t).await;
        accept(&t, &token).await.expect(204);
        let session = t.anonymous().sign_in(NEW, PASSWORD).await.expect(200);
        assert_eq!(session["user"]["roles"], json!(["auditor"]));
        let verified = "select count(*) from users where email = 'ada@example.com' and email_verified_at is not null and not is_self_registered";
        assert_eq!(t.count(verified).await, 1);
        assert_eq!(actions(&t).await, ["CREATE", "INVITATION_ACCEPT", "LOGIN"]);
        let entry = &t.audit().await[1];
        assert_eq!(
            entry["payload"]["after"],
            json!({ "name": "Ada", "email": NEW, "roles": ["auditor"] })
        );
        assert_eq!(accept(&t, &token).await.problem(400), "invalid-secret");
    }
}

#[tokio::test]
async fn a_name_that_the_inviter_knows_need_not_be_given() {
    let t = TestApp::start().await;
    let form = json!({ "email": NEW, "name": "Ada King" });
    let invitation = t.admin().post(PATH, form).await.expect(201);
    assert_eq!(invitation["roles"], json!(["user"]));
    let form = json!({ "token": newest_token(&t).await, "password": PASSWORD });
    t.anonymous().post(ACCEPT, form).await.expect(204);
    let session = t.anonymous().sign_in(NEW, PASSWORD).await.expect(200);
    assert_eq!(session["user"]["name"], "Ada King");

    let (_, token) = invited(&t, "bob@example.com", &["user"]).await;
    let form = json!({ "token": token, "password": PASSWORD });
    let refused = t.anonymous().post(ACCEPT, form).await.expect(400);
    assert_eq!(refused["errors"][0]["pointer"], "/name");
    accept(&t, &token).await.expect(204);
}

#[tokio::test]
async fn a_password_that_breaks_the_policy_leaves_the_invitation_as_it_is() {
    let t = TestApp::start().await;
    let (_, token) = invited(&t, NEW, &["user"]).await;
    for password in ["short", "PasswordPassword", "ada.example.com.1"] {
        let form = json!({ "token": token, "name": "Ada", "password": password });
        let refused = t.anonymous().post(ACCEPT, form).await;
        assert_eq!(refused.problem(400), "validation-failed", "{password}");
    }
    accept(&t, &token).await.expect(204);
}

#[tokio::test]
async fn an_address_is_invited_once_at_a_time_and_not_when_somebody_has_it() {
    let t = TestApp::start().await;
    let owned = invite(&t.admin(), "Member@example.com", &["user"]).await;
    assert_eq!(owned.problem(409), "email-taken");
    invited(&t, NEW, &["user"]).await;
    let again = invite(&t.admin(), NEW, &["user"]).await;
    assert_eq!(again.problem(409), "invitation-exists");
    let unknown = invite(&t.admin(), "bob@example.com", &["nobody"]).await;
    assert_eq!(unknown.problem(400), "validation-failed");
    assert_eq!(actions(&t).await, ["CREATE"]);
    // One that has expired is renewed, with what is asked for now.
    t.execute("update invitations set created_at = now() - interval '8 days', expires_at = now() - interval '1 day'")
        .await;
    let old = newest_token(&t).await;
    let renewed = invite(&t.admin(), NEW, &["auditor"]).await.expect(201);
    assert_eq!(renewed["roles"], json!(["auditor"]));
    assert_eq!(accept(&t, &old).await.problem(400), "invalid-secret");
    let token = newest_token(&t).await;
    accept(&t, &token).await.expect(204);
}

#[tokio::test]
async fn invitations_are_listed_page_by_page_with_what_became_of_them() {
    let t = TestApp::start().await;
    let admin = t.admin();
    let (revoked, _) = invited(&t, "a@example.com", &["user"]).await;
    let path = format!("{PATH}/{revoked}");
    admin.delete(&path).await.expect(204);
    let (_, token) = invited(&t, NEW, &["user"]).await;
    accept(&t, &token).await.expect(204);
    invited(&t, "b@example.com", &["user"]).await;
    t.execute("update invitations set created_at = now() - interval '8 days', expires_at = now() - interval '1 day' where email = 'b@example.com'")
        .await;
    invited(&t, "c@example.com", &["user"]).await;
    let mut states = Vec::new();
    let mut path = format!("{PATH}?limit=1");
    loop {
        let page = admin.get(&path).await.expect(200);
        for invitation in page["data"].as_array().unwrap() {
            assert!(invitation.get("tokenHash").is_none());
            states.push(invitation["state"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["page"]["nextCursor"].as_str() else {
            break;
        };
        path = format!("{PATH}?limit=1&cursor={cursor}");
    }
    states.sort();
    assert_eq!(states, ["accepted", "expired", "pending", "revoked"]);
    let refused = admin.get(&format!("{PATH}?cursor=nonsense")).await;
    assert_eq!(refused.problem(400), "validation-failed");
}

#[tokio::test]
async fn an_invitation_is_sent_again_with_another_link_and_its_time_anew() {
    let t = TestApp::start().await;
    let (id, old) = invited(&t, NEW, &["user"]).await;
    t.execute("update invitations set created_at = now() - interval '8 days', expires_at = now() - interval '1 day'")
        .await;
    assert_eq!(accept(&t, &old).await.problem(400), "invalid-secret");
    let resend = format!("{PATH}/{id}/resend");
    let admin = t.admin();
    let sent = admin.request_without_body(&Method::POST, &resend).await;
    assert_eq!(sent.expect(200)["state"], "pending");
    assert_eq!(accept(&t, &old).await.problem(400), "invalid-secret");
    let newer = newest_token(&t).await;
    assert_ne!(newer, old);
    accept(&t, &newer).await.expect(204);
    let over = admin.request_without_body(&Method::POST, &resend).await;
    assert_eq!(over.problem(404), "invitation-not-found");
    let over = admin.delete(&format!("{PATH}/{id}")).await;
    assert_eq!(over.problem(404), "invitation-not-found");
}

#[tokio::test]
async fn an_invitation_that_was_taken_back_is_good_for_nothing() {
    let t = TestApp::start().await;
    let (id, token) = invited(&t, NEW, &["user"]).await;
    let path = format!("{PATH}/{id}");
    t.admin().delete(&path).await.expect(204);
    assert_eq!(accept(&t, &token).await.problem(400), "invalid-secret");
    let again = t.admin().delete(&path).await;
    assert_eq!(again.problem(404), "invitation-not-found");
    // The address may be invited again.
    invited(&t, NEW, &["user"]).await;
    for path in [
        "/api/invitations/999",
        "/api/invitations/nonsense",
        "/api/invitations/-1",
    ] {
        let refused = t.admin().delete(path).await;
        assert_eq!(refused.problem(404), "invitation-not-found", "{path}");
    }
}

#[tokio::test]
async fn what_is_sent_again_with_its_key_is_done_once() {
    let t = TestApp::start().await;
    let admin = t.admin().with_header("idempotency-key", "k");
    let first = invite(&admin, NEW, &["user"]).await.expect(201);
    let second = invite(&admin, NEW, &["user"]).await.expect(201);
    assert_eq!(first, second);
    assert_eq!(t.mails().await.len(), 1);
    let id = first["id"].as_i64().unwrap();
    let admin = t.admin().with_header("idempotency-key", "r");
    for _ in 0..2 {
        let resend = format!("{PATH}/{id}/resend");
        let sent = admin.request_without_body(&Method::POST, &resend).await;
        assert_eq!(sent.expect(200)["state"], "pending");
    }
    assert_eq!(t.mails().await.len(), 2);
    let token = newest_token(&t).await;
    let keyed = t.anonymous().with_header("idempotency-key", "a");
    for _ in 0..2 {
        let form = json!({ "token": token, "name": "Ada", "password": PASSWORD });
        keyed.post(ACCEPT, form).await.expect(204);
    }
    let (id, _) = invited(&t, "bob@example.com", &["user"]).await;
    let admin = t.admin().with_header("idempotency-key", "d");
    for _ in 0..2 {
        admin.delete(&format!("{PATH}/{id}")).await.expect(204);
    }
}

#[tokio::test]
async fn what_is_no_invitation_is_refused() {
    let t = TestApp::start().await;
    for body in [
        "",
        "{}",
        "null",
        r#"{"email":"nonsense"}"#,
        r#"{"email":"a@example.com","roles":[]}"#,
        r#"{"email":"a@example.com","roles":["ADMIN"]}"#,
        r#"{"email":"a@example.com\u0000"}"#,
        r#"{"email":"a@example.com","invitedBy":4}"#,
    ] {
        let refused = t.admin().json(&Method::POST, PATH, body).await;
        assert_eq!(refused.status(), 400, "{body}");
        let refused = t.anonymous().json(&Method::POST, ACCEPT, body).await;
        assert_eq!(refused.status(), 400, "{body}");
    }
    for token in ["", "\0", &"A".repeat(43), &"A".repeat(9000)] {
        assert_eq!(accept(&t, token).await.status(), 400);
    }
    assert_eq!(t.count("select count(*) from invitations").await, 0);
}

#[tokio::test]
async fn who_may_not_invite_learns_nothing_of_invitations() {
    let t = TestApp::start().await;
    let (id, _) = invited(&t, NEW, &["user"]).await;
    for person in [Person::Member, Person::Auditor, Person::Helper] {
        let caller = t.caller(person);
        assert_eq!(caller.get(PATH).await.problem(403), "forbidden");
        let made = invite(&caller, "bob@example.com", &["user"]).await;
        assert_eq!(made.problem(403), "forbidden");
        for id in [id, 999] {
            let path = format!("{PATH}/{id}");
            assert_eq!(caller.delete(&path).await.problem(403), "forbidden");
            let path = format!("{path}/resend");
            let sent = caller.request_without_body(&Method::POST, &path).await;
            assert_eq!(sent.problem(403), "forbidden");
        }
    }
}

#[tokio::test]
async fn invitations_are_removed_a_month_after_their_time() {
    let t = TestApp::with(&[("CRON_SECRET", usher_tests::CRON_SECRET)]).await;
    invited(&t, NEW, &["user"]).await;
    invited(&t, "bob@example.com", &["user"]).await;
    t.execute("update invitations set created_at = now() - interval '40 days', expires_at = now() - interval '31 days' where email = 'bob@example.com'")
        .await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    let kept = "select string_agg(email, ',') from invitations";
    assert_eq!(t.sql(kept, &[]).await, NEW);
}
