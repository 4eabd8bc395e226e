//! Ways to take an account over, or a change of address along, that do not work.

use serde_json::json;
use usher_tests::{PASSWORD, TestApp};

use crate::{
    accounts::newest_token,
    email_changes::{address, ask, cancel, confirm, links},
};

const OLD: &str = "member@example.com";
const NEW: &str = "new@example.com";

/// Asks for a change that the new address confirmed, lets something happen, and shows that the old one confirms no more.
async fn is_void_after(what: &str, happen: impl AsyncFnOnce(&TestApp)) -> TestApp {
    let t = TestApp::start().await;
    let links = links(&t, NEW).await;
    confirm(&t, &links.new).await.expect(204);
    happen(&t).await;
    let before = address(&t).await;
    let refused = confirm(&t, &links.old).await;
    assert_eq!(refused.problem(400), "invalid-secret", "{what}");
    assert_eq!(address(&t).await, before, "{what}");
    t
}

#[tokio::test]
async fn attack_with_the_tokens_of_an_older_request() {
    let t = TestApp::start().await;
    let older = links(&t, NEW).await;
    confirm(&t, &older.old).await.expect(204);
    let newer = links(&t, "newer@example.com").await;
    for token in [&older.old, &older.new] {
        assert_eq!(confirm(&t, token).await.problem(400), "invalid-secret");
    }
    assert_eq!(
        cancel(&t, &older.cancel).await.problem(400),
        "invalid-secret"
    );
    // What was confirmed for the older one does not count for the newer one.
    confirm(&t, &newer.new).await.expect(204);
    assert_eq!(address(&t).await, OLD);
    confirm(&t, &newer.old).await.expect(204);
    assert_eq!(address(&t).await, "newer@example.com");
}

#[tokio::test]
async fn attack_with_the_token_of_another_purpose() {
    let t = TestApp::start().await;
    let form = json!({ "email": OLD });
    t.anonymous()
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    let reset = newest_token(&t).await;
    crate::accounts::register(&t, "ada@example.com")
        .await
        .expect(202);
    let verification = newest_token(&t).await;
    let links = links(&t, NEW).await;
    let tokens = [
        ("verify", &verification),
        ("reset", &reset),
        ("old", &links.old),
        ("new", &links.new),
        ("cancel", &links.cancel),
    ];
    let places = [
        ("/api/auth/verify-email", &["verify"][..]),
        ("/api/auth/password/reset", &["reset"]),
        ("/api/auth/email/confirm", &["old", "new"]),
        ("/api/auth/email/cancel", &["cancel"]),
    ];
    for (path, good) in places {
        for (kind, token) in tokens.iter().filter(|(kind, _)| !good.contains(kind)) {
            let mut form = json!({ "token": token });
            if path.ends_with("reset") {
                form["password"] = "quite another password".into();
            }
            let refused = t.anonymous().post(path, form).await;
            assert_eq!(refused.problem(400), "invalid-secret", "{kind} at {path}");
        }
    }
    confirm(&t, &links.old).await.expect(204);
    confirm(&t, &links.new).await.expect(204);
}

#[tokio::test]
async fn attack_with_links_that_have_expired() {
    is_void_after("expired", async |t| {
        let past = "update email_changes set created_at = now() - interval '2 days', expires_at = now() - interval '1 second'";
        t.execute(past).await;
    })
    .await;
    let t = TestApp::start().await;
    ask(&t, NEW).await.expect(202);
    let hours =
        "select extract(epoch from expires_at - created_at)::bigint / 3600 from email_changes";
    assert_eq!(t.count(hours).await, 24);
}

#[tokio::test]
async fn attack_on_an_account_that_was_deactivated_or_removed_meanwhile() {
    let t = is_void_after("deactivated", async |t| {
        let off = json!({ "isActive": false });
        t.admin().patch("/api/users/4", off).await.expect(200);
    })
    .await;
    let on = json!({ "isActive": true });
    t.admin().patch("/api/users/4", on).await.expect(200);
    let open = "select count(*) from email_changes where ended_at is null";
    assert_eq!(
        t.count(open).await,
        0,
        "it does not come back with the account"
    );
    is_void_after("removed", async |t| {
        t.admin().delete("/api/users/4").await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn attack_after_the_owner_chose_another_password() {
    is_void_after("reset", async |t| {
        let form = json!({ "email": OLD });
        let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
        forgot.expect(202);
        let form = json!({ "token": newest_token(t).await, "password": "quite another password" });
        let reset = t.anonymous().post("/api/auth/password/reset", form).await;
        reset.expect(204);
    })
    .await;
    is_void_after("changed", async |t| {
        let form = json!({ "currentPassword": PASSWORD, "newPassword": "quite another password" });
        t.member()
            .post("/api/auth/password", form)
            .await
            .expect(204);
    })
    .await;
}

#[tokio::test]
async fn attack_after_an_administrator_changed_the_address() {
    let t = is_void_after("changed by an admin", async |t| {
        let other = json!({ "email": "other@example.com" });
        t.admin().patch("/api/users/4", other).await.expect(200);
    })
    .await;
    // Not even when the address is the old one again.
    let back = json!({ "email": OLD });
    t.admin().patch("/api/users/4", back).await.expect(200);
    let open = "select count(*) from email_changes where ended_at is null";
    assert_eq!(t.count(open).await, 0);
}

#[tokio::test]
async fn attack_by_links_of_the_old_address_after_it_is_no_longer_the_own() {
    let t = TestApp::start().await;
    let form = json!({ "email": OLD });
    t.anonymous()
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    let reset = newest_token(&t).await;
    let links = links(&t, NEW).await;
    confirm(&t, &links.old).await.expect(204);
    confirm(&t, &links.new).await.expect(204);
    let form = json!({ "token": reset, "password": "quite another password" });
    let refused = t.anonymous().post("/api/auth/password/reset", form).await;
    assert_eq!(refused.problem(400), "invalid-secret");
    t.anonymous().sign_in(NEW, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn attack_on_what_is_stored_by_the_role_of_the_functions() {
    let t = TestApp::start().await;
    let links = links(&t, NEW).await;
    let app = usher_tests::connect(&t.app_url()).await;
    app.batch_execute("delete from email_changes")
        .await
        .unwrap();
    for redirection in [
        "update email_changes set new_email = 'eve@example.com'",
        "update email_changes set expires_at = expires_at + interval '1 hour'",
        "update email_changes set new_hash = sha256('eve')",
    ] {
        assert!(
            app.batch_execute(redirection).await.is_err(),
            "{redirection}"
        );
    }
    cancel(&t, &links.cancel).await.expect(204);
    let revival = "update email_changes set ended_at = null";
    assert!(app.batch_execute(revival).await.is_err());
    let stored = t
        .sql(
            "select to_jsonb(email_changes)::text from email_changes",
            &[],
        )
        .await;
    for token in [&links.old, &links.new, &links.cancel] {
        assert!(!stored.to_string().contains(token.as_str()));
    }
}
