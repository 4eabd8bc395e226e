//! Another address for one's own account: the owners of both confirm it, the owner of the old one cancels it, nobody else learns.

use http::Method;
use serde_json::{Value, json};
use usher_mail::Caught;
use usher_tests::{Answer, Caller, PASSWORD, Person, TestApp};

use crate::accounts::bare;

const PATH: &str = "/api/me/email";
const OLD: &str = "member@example.com";
const NEW: &str = "new@example.com";
const TAKEN: &str = "auditor@example.com";

/// The tokens of a change, as they were mailed; that to a new address that is taken is empty.
pub(crate) struct Links {
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) cancel: String,
}

/// Asks for another address for the member.
pub(crate) async fn ask(t: &TestApp, email: &str) -> Answer {
    ask_as(&t.member(), email).await
}

async fn ask_as(caller: &Caller, email: &str) -> Answer {
    let form = json!({ "newEmail": email, "currentPassword": PASSWORD });
    caller.post(PATH, form).await
}

/// Asks for another address for the member, and reads the mails.
pub(crate) async fn links(t: &TestApp, email: &str) -> Links {
    links_of(t, Person::Member, OLD, email).await
}

/// Asks for another address for somebody whose present one is `old`, and reads the mails.
pub(crate) async fn links_of(t: &TestApp, person: Person, old: &str, email: &str) -> Links {
    ask_as(&t.caller(person), email).await.expect(202);
    let mails = t.mails().await;
    let tokens = |to: &str| -> Vec<String> {
        let asks = |text: &str| text.contains("#token=") || text.contains("wanted to use");
        let is_newest = |mail: &&Caught| mail.to == to && asks(&mail.text);
        let mail = mails.iter().rev().find(is_newest);
        let text = &mail.unwrap().text;
        let tokens = text.split("#token=").skip(1);
        tokens
            .map(|token| token.split_whitespace().next().unwrap().to_owned())
            .collect()
    };
    let (old, new) = (tokens(old), tokens(&email.to_lowercase()));
    Links {
        old: old[0].clone(),
        new: new.first().cloned().unwrap_or_default(),
        cancel: old[1].clone(),
    }
}

pub(crate) async fn confirm(t: &TestApp, token: &str) -> Answer {
    let form = json!({ "token": token });
    t.anonymous().post("/api/auth/email/confirm", form).await
}

pub(crate) async fn cancel(t: &TestApp, token: &str) -> Answer {
    let form = json!({ "token": token });
    t.anonymous().post("/api/auth/email/cancel", form).await
}

pub(crate) async fn address(t: &TestApp) -> Value {
    t.sql("select email from users where id = 4", &[]).await
}

async fn actions(t: &TestApp) -> Vec<Value> {
    let entries = t.audit().await.into_iter();
    entries.map(|entry| entry["action"].clone()).collect()
}

#[tokio::test]
async fn an_address_changes_when_both_owners_confirmed_in_either_order() {
    for new_first in [false, true] {
        let t = TestApp::start().await;
        let links = links(&t, "New@Example.com").await;
        let (first, second) = if new_first {
            (&links.new, &links.old)
        } else {
            (&links.old, &links.new)
        };
        confirm(&t, first).await.expect(204);
        assert_eq!(address(&t).await, OLD);
        confirm(&t, second).await.expect(204);
        assert_eq!(address(&t).await, NEW);
        let verified = "select count(*) from users where id = 4 and email_verified_at is not null and version = 2";
        assert_eq!(t.count(verified).await, 1);
        let told: Vec<_> = t.mails().await.into_iter().skip(2).collect();
        let mut recipients = [told[0].to.as_str(), told[1].to.as_str()];
        recipients.sort_unstable();
        assert_eq!((told.len(), recipients), (2, [OLD, NEW]));
        assert!(told[0].text.contains(OLD) && told[0].text.contains(NEW));
        t.anonymous().sign_in(OLD, PASSWORD).await.problem(401);
        t.anonymous().sign_in(NEW, PASSWORD).await.expect(200);
        let side = if new_first { "old" } else { "new" };
        let entries = t.audit().await;
        assert_eq!(entries[0]["action"], "EMAIL_CHANGE_REQUEST");
        assert_eq!(entries[1]["action"], "EMAIL_CHANGE_CONFIRM");
        assert_eq!(entries[2]["action"], "EMAIL_CHANGE");
        assert_eq!(
            entries[2]["payload"],
            json!({ "side": side, "before": { "email": OLD }, "after": { "email": NEW } })
        );
    }
}

#[tokio::test]
async fn the_session_that_asked_goes_on_and_all_others_end() {
    let t = TestApp::start().await;
    let other = t.anonymous().sign_in(OLD, PASSWORD).await.expect(200);
    let links = links(&t, NEW).await;
    confirm(&t, &links.old).await.expect(204);
    confirm(&t, &links.new).await.expect(204);
    let own = t.member().get("/api/me").await.expect(200);
    assert_eq!(own["email"], NEW);
    let other = t
        .anonymous()
        .with_token(other["accessToken"].as_str().unwrap());
    other.get("/api/me").await.problem(401);
    let reasons = "select string_agg(distinct end_reason, ',') from sessions where user_id = 4";
    assert_eq!(t.sql(reasons, &[]).await, "email-changed");
}

#[tokio::test]
async fn a_session_that_asked_and_ended_meanwhile_stays_ended() {
    let t = TestApp::start().await;
    let links = links(&t, NEW).await;
    t.member()
        .request_without_body(&Method::POST, "/api/auth/logout")
        .await
        .expect(204);
    confirm(&t, &links.old).await.expect(204);
    confirm(&t, &links.new).await.expect(204);
    t.member().get("/api/me").await.problem(401);
    assert_eq!(address(&t).await, NEW);
}

#[tokio::test]
async fn the_owner_of_the_old_address_cancels_a_change_at_once() {
    let t = TestApp::start().await;
    let links = links(&t, NEW).await;
    confirm(&t, &links.new).await.expect(204);
    cancel(&t, &links.cancel).await.expect(204);
    for token in [&links.old, &links.new] {
        assert_eq!(confirm(&t, token).await.problem(400), "invalid-secret");
    }
    assert_eq!(
        cancel(&t, &links.cancel).await.problem(400),
        "invalid-secret"
    );
    assert_eq!(address(&t).await, OLD);
    assert_eq!(
        actions(&t).await[..4],
        [
            "EMAIL_CHANGE_REQUEST",
            "EMAIL_CHANGE_CONFIRM",
            "EMAIL_CHANGE_CANCEL",
            "SECRET_REFUSED"
        ]
    );
}

#[tokio::test]
async fn a_change_that_was_made_cannot_be_cancelled_and_links_are_good_once() {
    let t = TestApp::start().await;
    let links = links(&t, NEW).await;
    confirm(&t, &links.old).await.expect(204);
    assert_eq!(confirm(&t, &links.old).await.problem(400), "invalid-secret");
    assert_eq!(address(&t).await, OLD);
    confirm(&t, &links.new).await.expect(204);
    for token in [&links.old, &links.new] {
        assert_eq!(confirm(&t, token).await.problem(400), "invalid-secret");
    }
    assert_eq!(
        cancel(&t, &links.cancel).await.problem(400),
        "invalid-secret"
    );
}

#[tokio::test]
async fn an_address_of_somebody_else_is_answered_alike_and_its_owner_is_told() {
    let t = TestApp::start().await;
    let free = ask(&t, NEW).await;
    let row = "select to_jsonb(email_changes) - 'new_email' - 'created_at' - 'expires_at' - 'old_hash' - 'new_hash' - 'cancel_hash' from email_changes";
    let of_free = t.sql(row, &[]).await;
    let mails = "select count(*) from mails";
    let waiting = t.count(mails).await;
    let taken = ask(&t, TAKEN).await;
    assert_eq!(bare(&free), bare(&taken));
    assert_eq!(t.sql(row, &[]).await, of_free);
    assert_eq!(t.count(mails).await - waiting, waiting);
    let sent = t.mails().await;
    let to_taken = sent.iter().find(|mail| mail.to == TAKEN).unwrap();
    assert_eq!(
        to_taken.subject,
        "Somebody wanted to use your e-mail address"
    );
    assert!(!to_taken.text.contains("#token=") && !to_taken.text.contains(OLD));
    let payloads = t.audit().await;
    assert_eq!(payloads[0]["payload"], payloads[1]["payload"]);
}

#[tokio::test]
async fn a_change_to_an_address_of_somebody_else_is_never_made() {
    let t = TestApp::start().await;
    let links = links(&t, TAKEN).await;
    assert!(links.new.is_empty());
    confirm(&t, &links.old).await.expect(204);
    assert_eq!(address(&t).await, OLD);
}

#[tokio::test]
async fn an_address_that_is_taken_meanwhile_is_refused_by_the_last_confirmation_alone() {
    let t = TestApp::start().await;
    let links = links(&t, NEW).await;
    let form = json!({ "name": "New", "email": NEW });
    t.admin().post("/api/users", form).await.expect(201);
    confirm(&t, &links.old).await.expect(204);
    let refused = confirm(&t, &links.new).await;
    assert_eq!(refused.problem(409), "email-taken");
    assert_eq!(address(&t).await, OLD);
    let entries = t.audit().await;
    let last = entries.last().unwrap();
    assert_eq!(last["action"], "SECRET_REFUSED");
    assert_eq!(last["payload"]["reason"], "email-taken");
    t.member().get("/api/me").await.expect(200);
}

#[tokio::test]
async fn a_wrong_password_asks_for_nothing_and_who_has_none_is_told_so() {
    let t = TestApp::start().await;
    let form = json!({ "newEmail": NEW, "currentPassword": "not the password" });
    let refused = t.member().post(PATH, form).await;
    assert_eq!(refused.problem(403), "wrong-password");
    t.execute("update users set password = null where id = 4")
        .await;
    assert_eq!(ask(&t, NEW).await.problem(403), "password-missing");
    let kept = t.count("select count(*) from email_changes").await;
    assert_eq!((kept, t.mails().await.len()), (0, 0));
    assert_eq!(actions(&t).await, ["PASSWORD_REFUSED"]);
}

#[tokio::test]
async fn what_is_no_other_address_is_refused() {
    let t = TestApp::start().await;
    for (email, code) in [
        (" MEMBER@example.com ", "unchanged"),
        ("nonsense", "email"),
        ("a@b.c\0", "email"),
    ] {
        let refused = ask(&t, email).await.expect(400);
        assert_eq!(refused["errors"][0]["pointer"], "/newEmail", "{email}");
        assert_eq!(refused["errors"][0]["code"], code, "{email}");
    }
    for body in ["", "{}", "null", r#"{"newEmail":null}"#, r#"{"token":7}"#] {
        let member = t.member();
        assert_eq!(member.json(&Method::POST, PATH, body).await.status(), 400);
        let path = "/api/auth/email/confirm";
        let refused = t.anonymous().json(&Method::POST, path, body).await;
        assert_eq!(refused.status(), 400, "{body}");
    }
    for token in ["", "\0", &"A".repeat(43), &"A".repeat(9000)] {
        assert_eq!(confirm(&t, token).await.status(), 400);
        assert_eq!(cancel(&t, token).await.status(), 400);
    }
    assert_eq!(t.anonymous().post(PATH, json!({})).await.status(), 401);
}

#[tokio::test]
async fn a_request_that_is_sent_again_mails_once_and_a_confirmation_is_answered_alike() {
    let t = TestApp::start().await;
    let member = t.member().with_header("idempotency-key", "k");
    for _ in 0..2 {
        ask_as(&member, NEW).await.expect(202);
    }
    assert_eq!(t.mails().await.len(), 2);
    let links = links(&t, NEW).await;
    for (token, key) in [(&links.new, "new"), (&links.old, "old")] {
        let keyed = t.anonymous().with_header("idempotency-key", key);
        for _ in 0..2 {
            let form = json!({ "token": token });
            keyed
                .post("/api/auth/email/confirm", form)
                .await
                .expect(204);
        }
    }
    ask_as(&member, NEW).await.expect(202);
    assert_eq!(t.mails().await.len(), 6);
}

#[tokio::test]
async fn changes_that_are_over_are_removed_by_the_scheduler() {
    let t = TestApp::with(&[("CRON_SECRET", usher_tests::CRON_SECRET)]).await;
    ask(&t, NEW).await.expect(202);
    t.scheduler().get("/api/cron/mails").await.expect(200);
    let kept = "select count(*) from email_changes";
    assert_eq!(t.count(kept).await, 1);
    t.execute(
        "update email_changes
        set created_at = now() - interval '3 days', expires_at = now() - interval '25 hours'",
    )
    .await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(t.count(kept).await, 0);
}
