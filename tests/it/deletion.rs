//! Deleting one's own account: off at once, gone after a while, and back until then by the link of a mail.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, CRON_SECRET, Caller, PASSWORD, TestApp};

use crate::{
    accounts::{newest_token, verify},
    email_changes,
};

const MEMBER: &str = "member@example.com";
pub(crate) const RESTORE: &str = "/api/auth/restore";

/// Deletes the account of a caller.
pub(crate) async fn leave(caller: &Caller) -> Answer {
    let form = json!({ "currentPassword": PASSWORD });
    caller.delete_with("/api/me", form).await
}

/// Deletes the account of the member, and returns the token that was mailed.
pub(crate) async fn restore_token(t: &TestApp) -> String {
    leave(&t.member()).await.expect(204);
    newest_token(t).await
}

async fn restore(t: &TestApp, token: &str) -> Answer {
    let form = json!({ "token": token });
    t.anonymous().post(RESTORE, form).await
}

pub(crate) async fn start() -> TestApp {
    TestApp::with(&[("CRON_SECRET", CRON_SECRET)]).await
}

/// Runs the job that removes what is due.
pub(crate) async fn maintain(t: &TestApp) {
    t.scheduler().get("/api/cron/maintain").await.expect(200);
}

/// Lets the time of all deletions pass.
async fn pass(t: &TestApp) {
    t.execute(
        "alter table account_deletions disable trigger user;
        update account_deletions set created_at = now() - interval '31 days', due_at = now() - interval '1 second';
        alter table account_deletions enable trigger user",
    )
    .await;
}

pub(crate) async fn member(t: &TestApp) -> Value {
    let state = "select json_build_object('active', is_active, 'gone', deleted_at is not null) from users where id = 4";
    t.sql(state, &[]).await
}

async fn actions(t: &TestApp) -> Vec<Value> {
    let entries = t.audit().await.into_iter();
    let actions = entries.map(|entry| entry["action"].clone());
    actions.filter(|action| action != "MAINTAIN").collect()
}

#[tokio::test]
async fn who_deletes_the_account_is_signed_out_at_once_and_told_how_to_undo_it() {
    let t = TestApp::start().await;
    let other = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    leave(&t.member()).await.expect(204);
    t.member().get("/api/me").await.problem(401);
    let form = json!({ "refreshToken": other["refreshToken"] });
    let refused = t.anonymous().post("/api/auth/refresh", form).await;
    assert_eq!(refused.problem(401), "invalid-refresh-token");
    let refused = t.anonymous().sign_in(MEMBER, PASSWORD).await;
    assert_eq!(refused.problem(403), "deletion-pending");
    let refused = t.anonymous().sign_in(MEMBER, "a wrong one").await;
    assert_eq!(refused.problem(401), "invalid-credentials");
    let mails = t.mails().await;
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, MEMBER));
    assert!(mails[0].text.contains("in 30 days") && mails[0].text.contains("#token="));
    let days =
        "select extract(epoch from due_at - created_at)::bigint / 86400 from account_deletions";
    assert_eq!(t.count(days).await, 30);
}

#[tokio::test]
async fn the_days_are_those_of_the_deployment() {
    let t = TestApp::with(&[("USHER_DELETION_GRACE_DAYS", "3")]).await;
    leave(&t.member()).await.expect(204);
    let days =
        "select extract(epoch from due_at - created_at)::bigint / 86400 from account_deletions";
    assert_eq!(t.count(days).await, 3);
    assert!(t.mails().await[0].text.contains("in 3 days"));
}

#[tokio::test]
async fn a_link_restores_the_account_once_and_its_owner_signs_in_again() {
    let t = start().await;
    let token = restore_token(&t).await;
    restore(&t, &token).await.expect(204);
    assert_eq!(restore(&t, &token).await.problem(400), "invalid-secret");
    // The sessions of before stay ended.
    t.member().get("/api/me").await.problem(401);
    t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    pass(&t).await;
    maintain(&t).await;
    assert_eq!(member(&t).await, json!({ "active": true, "gone": false }));
    assert_eq!(
        actions(&t).await,
        ["DELETION_REQUEST", "RESTORE", "SECRET_REFUSED", "LOGIN"]
    );
    let mails = t.mails().await;
    assert_eq!(mails.last().unwrap().subject, "Your account is restored");
}

#[tokio::test]
async fn an_account_that_is_due_is_removed_by_the_scheduler_and_its_address_is_free() {
    let t = start().await;
    let token = restore_token(&t).await;
    maintain(&t).await;
    assert_eq!(member(&t).await, json!({ "active": false, "gone": false }));
    pass(&t).await;
    for _ in 0..2 {
        maintain(&t).await;
    }
    assert_eq!(member(&t).await, json!({ "active": false, "gone": true }));
    let entries = t.audit().await;
    let gone: Vec<_> = entries
        .iter()
        .filter(|entry| entry["action"] == "DELETE")
        .collect();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0]["actor_id"], Value::Null);
    assert_eq!(gone[0]["entity_id"], 4);
    assert_eq!(gone[0]["payload"], json!({ "reason": "deletion-due" }));
    assert_eq!(restore(&t, &token).await.problem(400), "invalid-secret");
    let refused = t.anonymous().sign_in(MEMBER, PASSWORD).await;
    assert_eq!(refused.problem(401), "invalid-credentials");
    let again = json!({ "name": "Another", "email": MEMBER });
    t.admin().post("/api/users", again).await.expect(201);
}

#[tokio::test]
async fn an_account_that_is_due_cannot_be_restored_although_nobody_removed_it_yet() {
    let t = start().await;
    let token = restore_token(&t).await;
    pass(&t).await;
    assert_eq!(restore(&t, &token).await.problem(400), "invalid-secret");
    assert_eq!(member(&t).await, json!({ "active": false, "gone": false }));
}

#[tokio::test]
async fn many_that_are_due_are_removed_each_with_its_entry() {
    let t = start().await;
    t.execute(
        "insert into users (name, email, is_active) select 'x', n || '@example.org', false from generate_series(1, 130) as n;
        insert into account_deletions (user_id, due_at, restore_hash, created_at)
        select id, now() - interval '1 day', sha256(convert_to(email, 'UTF8')), now() - interval '2 days'
        from users where email like '%@example.org'",
    )
    .await;
    let gone = "select count(*) from users where deleted_at is not null";
    maintain(&t).await;
    assert_eq!(t.count(gone).await, 100);
    maintain(&t).await;
    assert_eq!(t.count(gone).await, 130);
    let entries = "select count(distinct entity_id) from audit_logs where action = 'DELETE'";
    assert_eq!(t.count(entries).await, 130);
}

#[tokio::test]
async fn the_last_active_admin_stays() {
    let t = TestApp::start().await;
    let refused = leave(&t.admin()).await;
    assert_eq!(refused.problem(409), "last-admin");
    t.admin().get("/api/me").await.expect(200);
    let kept = "select count(*) from account_deletions";
    assert_eq!((t.count(kept).await, t.mails().await.len()), (0, 0));
    // Of two admins one may go.
    let roles = json!({ "roles": ["admin"] });
    t.admin().put("/api/users/4/roles", roles).await.expect(200);
    leave(&t.admin()).await.expect(204);
    assert_eq!(leave(&t.member()).await.problem(409), "last-admin");
}

#[tokio::test]
async fn a_wrong_password_or_none_deletes_nothing() {
    let t = TestApp::start().await;
    let form = json!({ "currentPassword": "a wrong one" });
    let refused = t.member().delete_with("/api/me", form).await;
    assert_eq!(refused.problem(403), "wrong-password");
    for body in [
        "{}",
        "null",
        r#"{"currentPassword":null}"#,
        r#"{"currentPassword":7}"#,
    ] {
        let refused = t.member().json(&Method::DELETE, "/api/me", body).await;
        assert_eq!(refused.status(), 400, "{body}");
    }
    assert_eq!(t.member().delete("/api/me").await.status(), 415);
    t.execute("update users set password = null where id = 4")
        .await;
    assert_eq!(leave(&t.member()).await.problem(403), "password-missing");
    assert_eq!(leave(&t.anonymous()).await.problem(401), "unauthenticated");
    t.member().get("/api/me").await.expect(200);
    assert_eq!(actions(&t).await, ["PASSWORD_REFUSED"]);
}

#[tokio::test]
async fn a_deletion_that_is_sent_again_with_its_key_is_answered_alike() {
    let t = TestApp::start().await;
    let keyed = t.member().with_header("idempotency-key", "k");
    for _ in 0..2 {
        leave(&keyed).await.expect(204);
    }
    let form = json!({ "currentPassword": "a wrong one" });
    let other = keyed.delete_with("/api/me", form).await;
    assert_eq!(other.problem(422), "idempotency-key-reused");
    let another = t.member().with_header("idempotency-key", "other");
    assert_eq!(leave(&another).await.problem(401), "unauthenticated");
    assert_eq!(leave(&t.member()).await.problem(401), "unauthenticated");
    assert_eq!(actions(&t).await, ["DELETION_REQUEST"]);
    assert_eq!(t.mails().await.len(), 1);
}

#[tokio::test]
async fn of_the_same_deletion_twice_at_once_the_later_one_is_answered_alike() {
    let t = TestApp::start().await;
    let keyed = t.member().with_header("idempotency-key", "k");
    let form = json!({ "currentPassword": PASSWORD });
    let first = async {
        keyed.delete_with("/api/me", form.clone()).await.expect(204);
    };
    let late = keyed.send_late(&Method::DELETE, "/api/me", form.clone(), first);
    late.await.expect(204);
    assert_eq!(actions(&t).await, ["DELETION_REQUEST"]);
}

#[tokio::test]
async fn who_is_activated_by_an_administrator_is_not_deleted() {
    let t = start().await;
    let token = restore_token(&t).await;
    let on = json!({ "isActive": true });
    t.admin().patch("/api/users/4", on).await.expect(200);
    assert_eq!(restore(&t, &token).await.problem(400), "invalid-secret");
    let off = json!({ "isActive": false });
    t.admin().patch("/api/users/4", off).await.expect(200);
    // Deactivated by somebody else, which the link of before does not undo.
    assert_eq!(restore(&t, &token).await.problem(400), "invalid-secret");
    let refused = t.anonymous().sign_in(MEMBER, PASSWORD).await;
    assert_eq!(refused.problem(403), "account-inactive");
    pass(&t).await;
    maintain(&t).await;
    assert_eq!(member(&t).await, json!({ "active": false, "gone": false }));
}

#[tokio::test]
async fn attack_by_deleting_the_account_before_an_administrator_deactivates_it() {
    let t = start().await;
    let token = restore_token(&t).await;
    let off = json!({ "isActive": false });
    t.admin().patch("/api/users/4", off).await.expect(200);
    assert_eq!(restore(&t, &token).await.problem(400), "invalid-secret");
    pass(&t).await;
    maintain(&t).await;
    assert_eq!(member(&t).await, json!({ "active": false, "gone": true }));
}

#[tokio::test]
async fn attack_by_links_that_were_mailed_before_the_deletion() {
    let t = TestApp::start().await;
    let form = json!({ "email": MEMBER });
    let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
    forgot.expect(202);
    let reset = newest_token(&t).await;
    let links = email_changes::links(&t, "new@example.com").await;
    let token = restore_token(&t).await;
    let form = json!({ "token": reset, "password": "quite another password" });
    let refused = t.anonymous().post("/api/auth/password/reset", form).await;
    assert_eq!(refused.problem(400), "invalid-secret");
    for old in [&links.old, &links.new] {
        let refused = email_changes::confirm(&t, old).await;
        assert_eq!(refused.problem(400), "invalid-secret");
    }
    // Nor does another purpose's token restore, or the restoring one anything else.
    for other in [&reset, &links.old, &links.new, &links.cancel] {
        assert_eq!(restore(&t, other).await.problem(400), "invalid-secret");
    }
    let refused = verify(&t, json!({ "token": token })).await;
    assert_eq!(refused.problem(400), "invalid-secret");
    assert_eq!(email_changes::confirm(&t, &token).await.status(), 400);
    restore(&t, &token).await.expect(204);
}

#[tokio::test]
async fn attack_with_the_link_of_an_older_deletion() {
    let t = TestApp::start().await;
    let older = restore_token(&t).await;
    restore(&t, &older).await.expect(204);
    let session = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    let own = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap());
    leave(&own).await.expect(204);
    assert_eq!(restore(&t, &older).await.problem(400), "invalid-secret");
    let newer = newest_token(&t).await;
    restore(&t, &newer).await.expect(204);
}

#[tokio::test]
async fn attack_by_the_role_of_the_functions_on_the_day() {
    let t = TestApp::start().await;
    leave(&t.member()).await.expect(204);
    let app = usher_tests::connect(&t.app_url()).await;
    for change in [
        "update account_deletions set due_at = due_at + interval '1 year'",
        "update account_deletions set due_at = now() + interval '1 second'",
    ] {
        assert!(app.batch_execute(change).await.is_err(), "{change}");
    }
    app.batch_execute("delete from account_deletions")
        .await
        .unwrap();
    assert_eq!(t.count("select count(*) from account_deletions").await, 1);
}

#[tokio::test]
async fn what_is_known_of_a_deletion_that_is_over_is_removed_by_the_scheduler() {
    let t = start().await;
    let token = restore_token(&t).await;
    restore(&t, &token).await.expect(204);
    let kept = "select count(*) from account_deletions";
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(t.count(kept).await, 1);
    t.execute(
        "alter table account_deletions disable trigger user;
        update account_deletions set ended_at = now() - interval '25 hours';
        alter table account_deletions enable trigger user",
    )
    .await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(t.count(kept).await, 0);
}
