//! Asking for an address is the same work for the database, whether or not somebody has an account with it. How long it takes is
//! for `tests/bench/enumeration`.

use std::time::Duration;

use serde_json::json;
use usher_tests::{PASSWORD, TestApp, connect};

use crate::{
    accounts::{NEW, register},
    sixteen::all_at_once,
};

/// How often a row of users was written with all its entries in the indexes, also when that was undone.
async fn rows_with_entries(t: &TestApp) -> i64 {
    // What a connection did is told at the latest when it ends.
    t.hang_up().await;
    t.count(
        "select n_tup_ins + n_tup_upd - n_tup_hot_upd
        from pg_stat_user_tables
        where relname = 'users'",
    )
    .await
}

async fn register_as(t: &TestApp, name: &str, email: &str) {
    let form = json!({ "name": name, "email": email, "password": PASSWORD });
    t.anonymous()
        .post("/api/auth/register", form)
        .await
        .expect(202);
}

#[tokio::test]
async fn a_registration_writes_one_row_with_its_entries_whoever_has_the_address() {
    let t = TestApp::start().await;
    for (who, name, email) in [
        ("nobody", "Ada", NEW),
        ("a newcomer with the same name", "Ada", NEW),
        ("a newcomer with another name", "Eve", NEW),
        ("an owner", "Ada", "member@example.com"),
        ("somebody deactivated", "Ada", "locked@example.com"),
    ] {
        let before = rows_with_entries(&t).await;
        register_as(&t, name, email).await;
        assert_eq!(rows_with_entries(&t).await - before, 1, "{who}");
    }
    let users = "select array_agg(email order by id) from users where id > 4";
    let users = t.sql(users, &[]).await;
    assert_eq!(
        users,
        json!(["locked@example.com", NEW]),
        "what was undone is nowhere"
    );
}

#[tokio::test]
async fn asking_for_a_mail_leaves_the_row_of_the_owner_alone() {
    let t = TestApp::start().await;
    let row =
        "select jsonb_build_array(ctid::text, xmin::text, xmax::text) from users where id = 4";
    let before = t.sql(row, &[]).await;
    let email = "member@example.com";
    register_as(&t, "Ada", email).await;
    for path in ["resend", "password/forgot", "link"] {
        let form = json!({ "email": email });
        t.anonymous()
            .post(&format!("/api/auth/{path}"), form)
            .await
            .expect(202);
    }
    let rows = "select count(*) from mails where user_id = 4";
    assert_eq!(t.count(rows).await, 4);
    assert_eq!(t.sql(row, &[]).await, before, "not even a lock");
}

#[tokio::test]
async fn sixteen_registrations_at_once_make_one_account() {
    let t = TestApp::with(&[("USHER_LIMITS", "mail-recipient=1000000/1")]).await;
    for email in [NEW, "member@example.com"] {
        let statuses = all_at_once(|number| {
            let form =
                json!({ "name": format!("Ada {number}"), "email": email, "password": PASSWORD });
            let caller = t.anonymous();
            async move { caller.post("/api/auth/register", form).await.status() }
        })
        .await;
        assert_eq!(statuses, [202; 16], "{email}");
    }
    assert_eq!(t.count("select count(*) from users where id > 5").await, 1);
    let entries = "select count(*) from audit_logs
        where action = 'REGISTER' and entity_id in (4, (select max(id) from users))";
    assert_eq!(t.count(entries).await, 32);
}

#[tokio::test]
async fn who_gets_an_address_while_somebody_registers_it_keeps_it() {
    let t = TestApp::start().await;
    for (before, meanwhile) in [
        (
            "select",
            "insert into users (name, email) values ('Eve', 'ada@example.com')",
        ),
        (
            "update users set is_self_registered = true, name = 'Eve' where email = 'ada@example.com'",
            "update users set email_verified_at = now() where email = 'ada@example.com'",
        ),
    ] {
        t.execute(before).await;
        let other = connect(t.url()).await;
        other
            .batch_execute(&format!("begin; {meanwhile}"))
            .await
            .unwrap();
        let (answer, ()) = tokio::join!(register(&t, NEW), async {
            let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            while t.count(waits).await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other.batch_execute("commit").await.unwrap();
        });
        answer.expect(202);
        let user = "select jsonb_build_array(id, name, password) from users where email = 'ada@example.com'";
        let user = t.sql(user, &[]).await;
        assert_eq!(user[1], "Eve");
        assert!(user[2].is_null(), "{meanwhile}");
        let mails = t.mails().await;
        let subject = &mails.last().unwrap().subject;
        assert_eq!(subject, "You have an account already");
        let entries = t.audit().await;
        let entry = entries.last().unwrap();
        assert_eq!(
            (&entry["action"], &entry["entity_id"]),
            (&json!("REGISTER"), &user[0])
        );
    }
}
