//! Attacks by what was good before an account changed: sessions, tokens, links and codes of before.

use http::Method;
use serde_json::{Value, json};
use usher_tests::{Answer, Authenticator, Caller, PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_token, register},
    api_keys, challenges, deletion, email_changes,
    enrolled::{self, enrol},
    mail_sign_in::mailed,
    operations::{self, enough},
    passkeys,
};

const MEMBER: &str = "member@example.com";
const OTHER: &str = "quite another password";

async fn begun(t: &TestApp) -> Value {
    t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200)
}

fn caller_of(t: &TestApp, session: &Value) -> Caller {
    t.anonymous()
        .with_token(session["accessToken"].as_str().unwrap())
}

/// What must end every other session of an account.
const CHANGES: [&str; 13] = [
    "another password",
    "another password by a link",
    "another address",
    "another address by an administrator",
    "a factor",
    "no factor any more",
    "no factors by an administrator",
    "a passkey less",
    "all others out",
    "all out by an administrator",
    "deactivated",
    "removed",
    "deletion asked for",
];

/// Makes one of the changes from a session of the owner.
async fn make(t: &TestApp, change: &str, own: &Caller) {
    let admin = t.admin();
    let answer = match change {
        "another password" => {
            let form = json!({ "currentPassword": PASSWORD, "newPassword": OTHER });
            own.post("/api/auth/password", form).await
        }
        "another password by a link" => {
            let form = json!({ "email": MEMBER });
            t.anonymous()
                .post("/api/auth/password/forgot", form)
                .await
                .expect(202);
            let form = json!({ "token": newest_token(t).await, "password": OTHER });
            t.anonymous().post("/api/auth/password/reset", form).await
        }
        "another address" => {
            let links = email_changes::links(t, "new@example.com").await;
            email_changes::confirm(t, &links.new).await.expect(204);
            email_changes::confirm(t, &links.old).await
        }
        "another address by an administrator" => {
            admin
                .patch("/api/users/4", json!({ "email": "new@example.com" }))
                .await
        }
        "a factor" => {
            let key = enrolled::begin(own).await;
            enrolled::confirm(own, &enrolled::code_of(&key)).await
        }
        "no factor any more" => own.delete(enrolled::TOTP).await,
        "no factors by an administrator" => admin.delete("/api/users/4/factors").await,
        "a passkey less" => own.delete(&passkeys::added(own).await).await,
        "all others out" => own.delete("/api/me/sessions").await,
        "all out by an administrator" => admin.delete("/api/users/4/sessions").await,
        "deactivated" => {
            admin
                .patch("/api/users/4", json!({ "isActive": false }))
                .await
        }
        "removed" => admin.delete("/api/users/4").await,
        _ => deletion::leave(own).await,
    };
    assert!(answer.status() < 300, "{change}: {}", answer.text());
}

#[tokio::test]
async fn attack_06_no_session_of_before_outlives_a_change_of_the_account() {
    for change in CHANGES {
        let t = operations::start().await;
        let (own, stolen) = if change.starts_with("no factor") {
            let enrolled = enrol(&t, Person::Member).await;
            (enrolled.sign_in(&t).await, enrolled.sign_in(&t).await)
        } else {
            (begun(&t).await, begun(&t).await)
        };
        let form = json!({ "refreshToken": stolen["refreshToken"] });
        let refreshed = t
            .anonymous()
            .post("/api/auth/refresh", form)
            .await
            .expect(200);
        make(&t, change, &caller_of(&t, &own)).await;
        for session in [&stolen, &refreshed] {
            let form = json!({ "refreshToken": session["refreshToken"] });
            let refused = t.anonymous().post("/api/auth/refresh", form).await;
            assert_eq!(refused.problem(401), "invalid-refresh-token", "{change}");
            let refused = caller_of(&t, session).get("/api/me").await;
            assert_eq!(refused.problem(401), "unauthenticated", "{change}");
        }
        let alive = "select count(*) from sessions where user_id = 4 and ended_at is null";
        assert!(t.count(alive).await <= 1, "{change}");
    }
}

/// A request that was good a moment ago, and what it does.
struct Way {
    name: &'static str,
    method: Method,
    path: String,
    caller: Caller,
    form: Value,
}

impl Way {
    async fn go(&self) -> Answer {
        if self.form.is_null() {
            return self
                .caller
                .request_without_body(&self.method, &self.path)
                .await;
        }
        self.caller
            .json(&self.method, &self.path, &self.form.to_string())
            .await
    }
}

/// Returns every way in, begun for people who may come in: the member, with a password alone; the auditor, with an app;
/// the helper, with a passkey; and somebody who has just registered.
async fn ways(t: &TestApp) -> Vec<Way> {
    let mut all = Vec::new();
    let anonymous = t.anonymous();
    let mut add = |name, method, path: &str, caller: &Caller, form| {
        let (path, caller) = (path.to_owned(), caller.clone());
        all.push(Way {
            name,
            method,
            path,
            caller,
            form,
        });
    };
    let mut post =
        |name, path: &str, caller: &Caller, form| add(name, Method::POST, path, caller, form);
    let login = json!({ "email": MEMBER, "password": PASSWORD });
    post("password", "/api/auth/login", &anonymous, login.clone());
    let keyed = anonymous.clone().with_header("idempotency-key", "before");
    let session = keyed
        .post("/api/auth/login", login.clone())
        .await
        .expect(200);
    post(
        "the same sign-in again",
        "/api/auth/login",
        &keyed,
        login.clone(),
    );
    let mut known = login;
    known["deviceToken"] = session["deviceToken"].clone();
    post(
        "password on a known device",
        "/api/auth/login",
        &anonymous,
        known,
    );
    post(
        "refresh",
        "/api/auth/refresh",
        &anonymous,
        json!({ "refreshToken": session["refreshToken"] }),
    );
    let own = caller_of(t, &session);
    post(
        "step-up",
        "/api/auth/reauthenticate",
        &own,
        json!({ "password": PASSWORD }),
    );
    post(
        "own password",
        "/api/auth/password",
        &own,
        json!({ "currentPassword": PASSWORD, "newPassword": OTHER }),
    );
    post(
        "key by a session",
        api_keys::PATH,
        &own,
        json!({ "name": "x", "scopes": [] }),
    );
    let (_, key) = api_keys::made(t, Person::Member, &[]).await;
    let machine = anonymous.clone().with_token(&key);
    let link = mailed(t, MEMBER).await;
    post("link", "/api/auth/link/confirm", &anonymous, link.by_link());
    post(
        "code of a mail",
        "/api/auth/link/confirm",
        &anonymous,
        link.by_code(),
    );
    let forgot = json!({ "email": MEMBER });
    anonymous
        .post("/api/auth/password/forgot", forgot)
        .await
        .expect(202);
    let reset = json!({ "token": newest_token(t).await, "password": OTHER });
    post("reset", "/api/auth/password/reset", &anonymous, reset);
    let links = email_changes::links(t, "new@example.com").await;
    post(
        "old address",
        "/api/auth/email/confirm",
        &anonymous,
        json!({ "token": links.old }),
    );
    post(
        "new address",
        "/api/auth/email/confirm",
        &anonymous,
        json!({ "token": links.new }),
    );
    let auditor = enrol(t, Person::Auditor).await;
    let challenge = challenges::half(t, Person::Auditor).await;
    let codes = [
        ("challenge", auditor.codes[0].clone()),
        ("challenge by an app", auditor.code(t).await),
    ];
    for (name, code) in codes {
        let form = json!({ "challengeToken": challenge, "code": code });
        post(name, "/api/auth/challenge", &anonymous, form);
    }
    let mut phone = Authenticator::default();
    let helper = t.caller(Person::Helper);
    let begun = passkeys::made(&helper, &mut Authenticator::default(), "Another").await;
    passkeys::add(&helper, &mut phone, "Phone")
        .await
        .expect(201);
    post(
        "passkey",
        "/api/auth/passkey",
        &anonymous,
        passkeys::answer(&anonymous, &mut phone).await,
    );
    post("passkey to be", "/api/me/passkeys", &helper, begun);
    register(t, NEW).await.expect(202);
    post(
        "verification",
        "/api/auth/verify-email",
        &anonymous,
        json!({ "token": newest_token(t).await }),
    );
    post(
        "password of who has just registered",
        "/api/auth/login",
        &anonymous,
        json!({ "email": NEW, "password": PASSWORD }),
    );
    for (name, caller) in [("access token", &own), ("API key", &machine)] {
        add(name, Method::GET, "/api/me", caller, Value::Null);
    }
    add(
        "change by a session",
        Method::PATCH,
        "/api/me",
        &own,
        json!({ "name": "Eve" }),
    );
    add("export", Method::GET, "/api/me/export", &own, Value::Null);
    all
}

const BEGUN: &str = "select count(*) from sessions where user_id <> 1 and ended_at is null";

#[tokio::test]
async fn attack_14_28_who_was_deactivated_or_removed_meanwhile_gets_in_by_no_way() {
    let mut cases = 0;
    for is_removed in [false, true] {
        let t = operations::start().await;
        let ways = ways(&t).await;
        let ids = t
            .sql(
                "select jsonb_agg(id order by id) from users where id > 1 and id <> 5",
                &[],
            )
            .await;
        for id in ids.as_array().unwrap() {
            let path = format!("/api/users/{id}");
            if is_removed {
                t.admin().delete(&path).await.expect(204);
            } else {
                t.admin()
                    .patch(&path, json!({ "isActive": false }))
                    .await
                    .expect(200);
            }
        }
        t.execute("update sessions set ended_at = now(), end_reason = 'logout' where user_id = 5 and ended_at is null").await;
        let passwords = "select jsonb_agg(jsonb_build_array(id, password, email, is_active) order by id) from users";
        let before = t.sql(passwords, &[]).await;
        for way in &ways {
            let answer = way.go().await;
            let what = format!("{} removed {is_removed}: {}", way.name, answer.text());
            assert!([400, 401, 403].contains(&answer.status()), "{what}");
            for secret in ["accessToken\"", "refreshToken\"", "challengeToken\""] {
                assert!(!answer.text().contains(secret), "{what}");
            }
            cases += 1;
        }
        assert_eq!(t.count(BEGUN).await, 0, "{is_removed}");
        assert_eq!(t.sql(passwords, &[]).await, before);
        let mails = t.mails().await.len();
        for path in ["password/forgot", "resend", "link"] {
            for email in [MEMBER, "auditor@example.com", "helper@example.com", NEW] {
                let form = json!({ "email": email });
                t.anonymous()
                    .post(&format!("/api/auth/{path}"), form)
                    .await
                    .expect(202);
                cases += 1;
            }
        }
        assert_eq!(t.mails().await.len(), mails, "nor is a new link mailed");
    }
    enough(cases, 60);
}

/// The same ways are good as long as nothing happens: what is refused above is refused for the right reason.
#[tokio::test]
async fn every_way_in_is_good_while_the_account_is() {
    // In a round none takes away what another one of it needs.
    let round_of = |name: &str| match name {
        "code of a mail" | "new address" | "challenge by an app" => 1,
        "own password" => 2,
        "reset" => 3,
        _ => 0,
    };
    for round in 0..4 {
        let t = operations::start().await;
        let ways = ways(&t).await.into_iter();
        for way in ways.filter(|way| round_of(way.name) == round) {
            if way.name != "password of who has just registered" {
                let answer = way.go().await;
                assert!(answer.status() < 300, "{}: {}", way.name, answer.text());
            }
        }
    }
}
