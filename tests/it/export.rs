//! Everything that is held about oneself, as one document: whole, one's own, and without a secret.

use serde_json::{Value, json};
use usher_tests::{PASSWORD, Person, TestApp};

use crate::email_changes;

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
