//! Everything that is held about oneself, as one document: whole, one's own, and without a secret.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use usher_tests::{Authenticator, PASSWORD, Person, TestApp};
use uuid::Uuid;

use crate::{
    api_keys,
    challenges::{half, meet},
    email_changes,
    enrolled::enrol,
    invitations, passkeys,
};

const PATH: &str = "/api/me/export";

#[tokio::test]
async fn an_export_holds_all_there_is_and_a_browser_saves_it() {
    let t = TestApp::start().await;
    email_changes::links(&t, "new@example.com").await;
    let other = t
        .anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    let form = json!({ "refreshToken": other["refreshToken"] });
    t.anonymous()
        .post("/api/auth/logout", form)
        .await
        .expect(204);
    let answer = t.member().get(PATH).await;
    let export = answer.expect(200);
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"account.json\""
    );
    let profile = &export["profile"];
    assert_eq!(profile["email"], "member@example.com");
    assert_eq!(profile["hasPassword"], true);
    assert_eq!(export["roles"][0]["name"], "user");
    assert_eq!(export["emailChange"]["newEmail"], "new@example.com");
    let sessions = export["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let ended = sessions
        .iter()
        .find(|session| session["isCurrent"] == false);
    assert_eq!(ended.unwrap()["endReason"], "logout");
    let entries = export["auditLogs"]["entries"].as_array().unwrap();
    let has = |action: &str| entries.iter().any(|entry| entry["action"] == action);
    assert!(has("LOGIN") && has("EMAIL_CHANGE_REQUEST") && has("CREATE"));
    assert_eq!(export["auditLogs"]["next"], Value::Null);
    let last = t.audit().await.pop().unwrap();
    assert_eq!(last["action"], "READ");
    assert_eq!(
        (&last["actor_id"], &last["entity_id"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(last["payload"], json!({ "read": "export" }));
}

#[tokio::test]
async fn an_export_holds_what_somebody_signs_in_with_but_nothing_that_signs_in() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    let question = half(&t, Person::Member).await;
    meet(&t, &question, &enrolled.codes[0]).await.expect(200);
    let mut phone = Authenticator::default();
    passkeys::add(&t.member(), &mut phone, "My phone")
        .await
        .expect(201);
    t.execute("update sessions set methods = '{pwd,otp}', authenticated_at = now()")
        .await;
    let (key, token) = api_keys::made(&t, Person::Member, &[]).await;
    let path = format!("{}/{key}", api_keys::PATH);
    t.member().delete(&path).await.expect(204);
    let export = t.member().get(PATH).await.expect(200);
    let app = &export["secondFactors"][0];
    assert_eq!(app["kind"], "totp");
    assert!(app["createdAt"].is_string() && app["confirmedAt"].is_string());
    assert!(app["lastUsedAt"].is_string());
    assert_eq!(export["recoveryCodesLeft"], 9);
    let codes = export["recoveryCodes"].as_array().unwrap();
    let used = codes.iter().filter(|code| code["usedAt"].is_string());
    assert_eq!((codes.len(), used.count()), (10, 1));
    let passkey = &export["passkeys"][0];
    assert_eq!(passkey["name"], "My phone");
    assert_eq!(
        passkey["credentialId"],
        URL_SAFE_NO_PAD.encode(&phone.credential)
    );
    let handle = Uuid::from_slice(&phone.handle).unwrap().to_string();
    assert_eq!(passkey["userHandle"], handle);
    assert_eq!(passkey["lastUsedAt"], Value::Null);
    let keys = export["apiKeys"].as_array().unwrap();
    assert_eq!((&keys[0]["id"], keys.len()), (&json!(key), 1));
    assert!(keys[0]["revokedAt"].is_string());
    let sessions = export["sessions"].as_array().unwrap().iter();
    let methods: Vec<_> = sessions.map(|session| &session["methods"]).collect();
    assert!(methods.contains(&&json!(["pwd", "otp", "mfa"])));
    assert!(export["profile"]["factorsChangedAt"].is_string());

    let text = export.to_string();
    for code in enrolled.codes.iter().chain([&token]) {
        assert!(!text.contains(code.as_str()));
    }
    let stored = "select
          (select encode(sealed, 'base64') from totp_factors) || ' ' ||
          (select string_agg(encode(code_hash, 'base64'), ' ') from recovery_codes)";
    let stored = t.sql(stored, &[]).await;
    for part in stored.as_str().unwrap().split_whitespace() {
        assert!(part.len() < 16 || !text.contains(part), "{part}");
    }
}

#[tokio::test]
async fn an_export_holds_the_invitations_one_made_or_got_and_a_deletion_that_was_undone() {
    let t = TestApp::start().await;
    invitations::invite(&t.admin(), "guest@example.com", &["user"])
        .await
        .expect(201);
    let own = t.admin().get(PATH).await.expect(200);
    let made = &own["invitations"][0];
    assert_eq!(made["email"], "guest@example.com");
    assert_eq!(
        (&made["isOwn"], &made["acceptedAt"]),
        (&json!(true), &Value::Null)
    );
    t.execute(
        "insert into invitations (email, roles, invited_by, token_hash, expires_at)
        values ('member@example.com', '{user}', 1, sha256('x'), now() + interval '1 day');
        update invitations set accepted_at = now() where email = 'member@example.com';
        insert into account_deletions (user_id, due_at, restore_hash)
        values (4, now() + interval '30 days', sha256('x'));
        update account_deletions set ended_at = now()",
    )
    .await;
    let export = t.member().get(PATH).await.expect(200);
    let got = export["invitations"].as_array().unwrap();
    assert_eq!(got.len(), 1, "that of somebody else is none of one's own");
    assert_eq!(got[0]["isOwn"], false);
    assert!(got[0]["acceptedAt"].is_string());
    assert!(got[0].get("invitedBy").is_none());
    assert!(export["deletion"]["endedAt"].is_string());
    let none = t.caller(Person::Auditor).get(PATH).await.expect(200);
    assert_eq!(none["invitations"], json!([]));
    assert_eq!(none["secondFactors"], json!([]));
    assert_eq!(none["passkeys"], json!([]));
    assert_eq!(none["deletion"], Value::Null);
}

#[tokio::test]
async fn what_is_too_much_of_the_trail_is_where_the_export_says() {
    let t = TestApp::start().await;
    t.execute(
        "insert into audit_logs (actor_id, action, entity, entity_id, created_at)
        select 4, 'X', 'User', 4, now() - make_interval(secs => n) from generate_series(1, 150) as n",
    )
    .await;
    let export = t.member().get(PATH).await.expect(200);
    let entries = export["auditLogs"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 100);
    let next = export["auditLogs"]["next"].as_str().unwrap();
    let rest = t.member().get(next).await.expect(200);
    let rest = rest["data"].as_array().unwrap();
    assert!(rest.len() > 50 && rest[0]["id"] != entries[99]["id"]);
}

#[tokio::test]
async fn an_export_is_ones_own_and_needs_a_session() {
    let t = TestApp::start().await;
    t.anonymous().get(PATH).await.problem(401);
    t.caller(Person::Locked).get(PATH).await.problem(401);
    let text = t.member().get(PATH).await.expect(200).to_string();
    for other in [
        "admin@example.com",
        "auditor@example.com",
        "locked@example.com",
    ] {
        assert!(!text.contains(other), "{other}");
    }
    let refused = t.member().get("/api/me/export?user_id=1").await;
    assert_eq!(refused.problem(400), "validation-failed");
}

/// Every column of every table holds a word that is found again when it leaves; no secret is in the document.
#[tokio::test]
async fn an_export_holds_no_secret_and_no_hash() {
    let t = TestApp::start().await;
    let links = email_changes::links(&t, "new@example.com").await;
    let form = json!({ "email": "member@example.com" });
    t.anonymous()
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    let text = t.member().get(PATH).await.expect(200).to_string();
    for token in [&links.old, &links.new, &links.cancel] {
        assert!(!text.contains(token.as_str()));
    }
    for word in ["argon2", "hash", "secret", "token", "usher_rt_", PASSWORD] {
        assert!(!text.to_lowercase().contains(word), "{word}");
    }
    let stored = "select string_agg(encode(value, format), ' ')
        from (
          select refresh_hash from sessions where user_id = 4
          union all select old_hash from email_changes
          union all select new_hash from email_changes
          union all select cancel_hash from email_changes
          union all select secret_hash from one_time_secrets
        ) as hash (value)
        cross join (values ('hex'), ('base64')) as form (format)";
    let stored = t.sql(stored, &[]).await;
    for hash in stored.as_str().unwrap().split_whitespace() {
        assert!(!text.contains(hash), "{hash}");
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_are_found_by_an_index() {
    let t = TestApp::start().await;
    let statement =
        "select id from sessions where user_id = $1 order by created_at desc, id limit 1000";
    t.execute("set enable_seqscan = off").await;
    let plan = t.explain(statement, &["4"]).await;
    assert!(plan.contains("sessions_user_id_created_at_idx"), "{plan}");
}
