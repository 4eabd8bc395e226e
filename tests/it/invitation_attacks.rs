//! Ways to get more from an invitation than it gives, that do not work.

use http::Method;
use serde_json::json;
use usher_tests::{PASSWORD, Person, TestApp, connect};

use crate::{
    accounts::{newest_token, register, verify},
    invitations::{ACCEPT, NEW, PATH, accept, invite, invited},
    sixteen::{MANY, all_at_once, can_be_lost, rounds, winners},
};

/// How often sixteen try, usually.
const ROUNDS: usize = 20;

/// Gives the helper the right to invite, and what else is named.
async fn let_helper_invite(t: &TestApp, more: &str) {
    t.execute(&format!(
        "update roles
        set permissions = permissions || '{{invitations:create,invitations:delete,invitations:read{more}}}'
        where name = 'helper'"
    ))
    .await;
}

#[tokio::test]
async fn attack_by_inviting_to_roles_that_one_may_not_give() {
    let t = TestApp::start().await;
    let_helper_invite(&t, "").await;
    let helper = t.caller(Person::Helper);
    for roles in [&["admin"][..], &["user", "auditor"], &["helper"]] {
        let refused = invite(&helper, NEW, roles).await;
        assert_eq!(refused.problem(403), "forbidden", "{roles:?}");
    }
    let_helper_invite(&t, ",roles:grant").await;
    for roles in [&["admin"][..], &["user", "auditor"]] {
        let refused = invite(&helper, NEW, roles).await;
        assert_eq!(refused.problem(403), "role-escalation", "{roles:?}");
    }
    invite(&helper, NEW, &["user", "helper"]).await.expect(201);
}

#[tokio::test]
async fn attack_on_the_invitation_of_somebody_who_may_give_more() {
    let t = TestApp::start().await;
    let_helper_invite(&t, ",roles:grant").await;
    let (id, token) = invited(&t, NEW, &["admin"]).await;
    let helper = t.caller(Person::Helper);
    let path = format!("{PATH}/{id}");
    assert_eq!(helper.delete(&path).await.problem(403), "role-escalation");
    let resend = format!("{path}/resend");
    let refused = helper.request_without_body(&Method::POST, &resend).await;
    assert_eq!(refused.problem(403), "role-escalation");
    accept(&t, &token).await.expect(204);
}

#[tokio::test]
async fn attack_with_the_invitation_of_somebody_who_was_demoted_deactivated_or_removed() {
    for what in [
        "demoted",
        "deactivated",
        "removed",
        "without the right to invite",
    ] {
        let t = TestApp::start().await;
        let roles = json!({ "roles": ["admin"] });
        t.admin().put("/api/users/4/roles", roles).await.expect(200);
        invite(&t.member(), NEW, &["auditor"]).await.expect(201);
        let token = newest_token(&t).await;
        match what {
            "demoted" => {
                let roles = json!({ "roles": ["user"] });
                t.admin().put("/api/users/4/roles", roles).await.expect(200);
            }
            "deactivated" => {
                let off = json!({ "isActive": false });
                t.admin().patch("/api/users/4", off).await.expect(200);
            }
            "removed" => {
                t.admin().delete("/api/users/4").await.expect(204);
            }
            _ => {
                let without = "update roles set permissions = array_remove(permissions, 'invitations:create') where name = 'admin'";
                t.execute(without).await;
            }
        }
        let refused = accept(&t, &token).await;
        assert_eq!(refused.problem(400), "invalid-secret", "{what}");
        let made = "select count(*) from users where email = 'ada@example.com'";
        assert_eq!(t.count(made).await, 0, "{what}");
        let open = "select count(*) from invitations where accepted_at is null";
        assert_eq!(t.count(open).await, 1, "{what}");
    }
}

#[tokio::test]
async fn attack_while_the_inviter_is_being_demoted() {
    let t = TestApp::start().await;
    let roles = json!({ "roles": ["admin"] });
    t.admin().put("/api/users/4/roles", roles).await.expect(200);
    invite(&t.member(), NEW, &["auditor"]).await.expect(201);
    let token = newest_token(&t).await;
    let owner = connect(t.url()).await;
    owner
        .batch_execute("begin; update users set roles = '{user}' where id = 4")
        .await
        .unwrap();
    let finish = async {
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while t.count(waits).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        owner.batch_execute("commit").await.unwrap();
    };
    let (answer, ()) = tokio::join!(accept(&t, &token), finish);
    assert_eq!(answer.problem(400), "invalid-secret");
}

#[tokio::test]
async fn attack_by_registering_the_address_before_its_owner_accepts() {
    let t = TestApp::start().await;
    let (_, token) = invited(&t, NEW, &["auditor"]).await;
    register(&t, NEW).await.expect(202);
    let verification = newest_token(&t).await;
    let form = json!({ "token": token, "name": "Ada", "password": "the password of the owner" });
    t.anonymous().post(ACCEPT, form).await.expect(204);
    t.anonymous().sign_in(NEW, PASSWORD).await.problem(401);
    let session = t
        .anonymous()
        .sign_in(NEW, "the password of the owner")
        .await;
    assert_eq!(session.expect(200)["user"]["roles"], json!(["auditor"]));
    // The mail of the registration went to the owner, and takes nothing away.
    verify(&t, json!({ "token": verification })).await;
    t.anonymous().sign_in(NEW, PASSWORD).await.problem(401);
    // Nor does somebody who registered keep an administrator from inviting the owner.
    register(&t, "bob@example.com").await.expect(202);
    invite(&t.admin(), "bob@example.com", &["user"])
        .await
        .expect(201);
}

#[tokio::test]
async fn attack_on_an_account_that_got_the_address_meanwhile() {
    let t = TestApp::start().await;
    let (_, token) = invited(&t, NEW, &["admin"]).await;
    let form = json!({ "name": "Other", "email": NEW, "password": "the password of the other" });
    t.admin().post("/api/users", form).await.expect(201);
    assert_eq!(accept(&t, &token).await.problem(409), "email-taken");
    let session = t
        .anonymous()
        .sign_in(NEW, "the password of the other")
        .await;
    assert_eq!(session.expect(200)["user"]["roles"], json!(["user"]));
    let open = "select count(*) from invitations where accepted_at is null";
    assert_eq!(t.count(open).await, 1);
    let refused = t.audit().await;
    let refused = refused
        .iter()
        .find(|entry| entry["action"] == "SECRET_REFUSED");
    assert_eq!(refused.unwrap()["payload"]["reason"], "email-taken");
}

#[tokio::test]
async fn attack_with_the_token_of_another_purpose() {
    let t = TestApp::start().await;
    let (_, invitation) = invited(&t, NEW, &["user"]).await;
    register(&t, "bob@example.com").await.expect(202);
    let verification = newest_token(&t).await;
    let form = json!({ "email": "member@example.com" });
    let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
    forgot.expect(202);
    let reset = newest_token(&t).await;
    let links = crate::email_changes::links(&t, "new@example.com").await;
    let restore = crate::deletion::restore_token(&t).await;
    for token in [
        &verification,
        &reset,
        &links.old,
        &links.new,
        &links.cancel,
        &restore,
    ] {
        assert_eq!(accept(&t, token).await.problem(400), "invalid-secret");
    }
    for path in [
        "/api/auth/verify-email",
        "/api/auth/password/reset",
        "/api/auth/email/confirm",
        "/api/auth/email/cancel",
        "/api/auth/restore",
    ] {
        let mut form = json!({ "token": invitation });
        if path.ends_with("reset") {
            form["password"] = "quite another password".into();
        }
        let refused = t.anonymous().post(path, form).await;
        assert_eq!(refused.problem(400), "invalid-secret", "{path}");
    }
    accept(&t, &invitation).await.expect(204);
}

#[tokio::test]
async fn attack_on_what_is_stored_by_the_role_of_the_functions() {
    let t = TestApp::start().await;
    let (id, token) = invited(&t, NEW, &["user"]).await;
    let app = connect(&t.app_url()).await;
    for change in [
        "update invitations set email = 'eve@example.com'",
        "update invitations set roles = '{admin}'",
        "update invitations set invited_by = 2",
        "update invitations set expires_at = expires_at + interval '1 year'",
        "insert into invitations (email, roles, invited_by, token_hash, expires_at, accepted_at)
         values ('a@b.c', '{user}', 1, sha256('a'), now() + interval '1 day', now())",
    ] {
        assert!(app.batch_execute(change).await.is_err(), "{change}");
    }
    app.batch_execute("delete from invitations").await.unwrap();
    t.admin().delete(&format!("{PATH}/{id}")).await.expect(204);
    app.batch_execute("update invitations set revoked_at = null")
        .await
        .unwrap();
    let revoked = "select count(*) from invitations where revoked_at is not null";
    assert_eq!(t.count(revoked).await, 1);
    let stored = "select to_jsonb(invitations)::text from invitations";
    let stored = t.sql(stored, &[]).await.to_string();
    assert!(!stored.contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_accept_at_once_one_gets_the_account() {
    let t = TestApp::start().await;
    for round in 0..rounds(ROUNDS) {
        let email = format!("ada{round}@example.com");
        let (_, token) = invited(&t, &email, &["user"]).await;
        let hash = "select password from users where id = 4";
        let hash = t.sql(hash, &[]).await.as_str().unwrap().to_owned();
        let count = winners(|number| {
            let (app, token, hash) = (t.app.clone(), token.clone(), hash.clone());
            async move { accept_directly(&app, &token, &hash, number).await }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
    let made = "select count(*) from users where email like 'ada%'";
    assert_eq!(t.count(made).await, i64::try_from(rounds(ROUNDS)).unwrap());
}

/// Accepts without hashing a password, which would put those who race into a queue.
async fn accept_directly(app: &usher_http::App, token: &str, hash: &str, number: usize) -> bool {
    use usher_core::{Author, invitations, one_time::Token, passwords::PasswordHash};
    use usher_domain::{Name, Origin, RequestId};
    let token = Token::parse(token).unwrap();
    let connection = app.database.connection().await.unwrap();
    let Some(found) = invitations::find_open(&connection, &token).await.unwrap() else {
        return false;
    };
    let origin = Origin {
        ip: None,
        user_agent: None,
        request_id: RequestId::unknown(),
    };
    let name = Name::parse(&format!("Ada {number}")).unwrap();
    let hash = PasswordHash::parse(hash).unwrap();
    let author = Author::nobody(&origin);
    let accepted = invitations::accept(&connection, author, (&token, &found), &name, &hash);
    accepted.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_invite_the_same_address_one_does() {
    let t = TestApp::start().await;
    for round in 0..rounds(ROUNDS) {
        let email = format!("ada{round}@example.com");
        let statuses = all_at_once(|_| {
            let (admin, email) = (t.admin(), email.clone());
            async move { invite(&admin, &email, &["user"]).await.status() }
        })
        .await;
        let made = statuses.iter().filter(|status| **status == 201).count();
        let refused = statuses.iter().filter(|status| **status == 409).count();
        assert_eq!(
            (made, refused),
            (1, MANY - 1),
            "round {round}: {statuses:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_first_and_writes_afterwards_accepts_more_than_once() {
    let t = TestApp::start().await;
    invited(&t, NEW, &["user"]).await;
    can_be_lost(
        &t,
        "alter table invitations disable trigger user; update invitations set accepted_at = null",
        "select accepted_at is null from invitations",
        "update invitations set accepted_at = now()",
    )
    .await;
}
