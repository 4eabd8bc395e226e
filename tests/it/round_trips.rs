//! How often each operation waits for the database, counted on the wire, held to a budget and written into the docs.
//!
//! `USHER_BLESS=1 cargo test -p usher-tests --test it round_trips` writes the table of `docs/performance.md` anew.

use std::{fmt::Write, fs};

use http::Method;
use serde_json::{Value, json};
use usher_domain::Action;
use usher_http::{Operation, access::Access, routes};
use usher_tests::{Answer, Authenticator, PASSWORD, Person, TestApp, Wire, repository};

use crate::{
    access::bless,
    accounts::{NEW, newest_token, register},
    challenges::{half, meet},
    deletion, email_changes,
    enrolled::{code_of, decode, enrol, wrong_code},
    invitations, mail_sign_in, passkeys,
};

const FILE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- round trips: written by a test -->\n";
const END: &str = "<!-- end of round trips -->";

/// Returns the most waits that the usual request may take.
fn budget(path: &str, operation: &Operation) -> usize {
    match (operation.action, operation.access()) {
        // Both steps of a sign-in together.
        (Some(Action::Login), _) if path == "/api/auth/challenge" => 2,
        (Some(Action::Login), _) if path == "/api/auth/link/confirm" => 3,
        (Some(Action::Login), _) => 4,
        // A try at a password or a code is counted and committed before it is looked at.
        (
            Some(
                Action::PasswordChange
                | Action::Reauthenticate
                | Action::EmailChangeRequest
                | Action::DeletionRequest
                | Action::FactorAdd
                // The challenge is read in between, since the answer is checked here.
                | Action::PasskeyAdd,
            ),
            _,
        ) => 3,
        // A change with its audit entry, after the check that it may be made.
        (Some(_), _) => 2,
        // What is over is removed, and what is due is taken.
        (None, Access::Scheduler) if path == "/api/cron/mails" => 2,
        // The check; then the challenge, and before it what authenticators know the user by, once.
        (None, Access::SignedIn) if path == "/api/me/passkeys/options" => 3,
        // The check, with the passkeys that there are; then the challenge.
        (None, Access::SignedIn) if path == "/api/auth/reauthenticate/options" => 2,
        // The check and the data together.
        (None, Access::SignedIn | Access::May(_) | Access::Scheduler) => 1,
        (None, Access::Anyone) => match path {
            "/api/health" | "/api/health/ready" => 1,
            // The request is counted before its challenge is kept.
            "/api/auth/passkey/options" => 2,
            "/api/health/live" | "/api/auth/jwks" => 0,
            other => panic!("say here how often {other} may wait for the database"),
        },
    }
}

/// Sends the usual request of an operation, which is to succeed. Somebody has signed in before, with this answer.
async fn usual(t: &TestApp, method: &Method, path: &str, session: &Value) -> Answer {
    let (admin, anonymous) = (t.admin(), t.anonymous());
    match (method.as_str(), path) {
        ("GET", path) if path.starts_with("/api/cron/") => t.scheduler().get(path).await,
        ("GET", path) => admin.get(&path.replace("{user_id}", "4")).await,
        ("POST", "/api/auth/login") => anonymous.sign_in("admin@example.com", PASSWORD).await,
        ("POST", "/api/auth/refresh") => refresh(t, session).await,
        ("POST", "/api/auth/logout" | "/api/auth/reauthenticate/options") => {
            admin.request_without_body(method, path).await
        }
        ("DELETE", "/api/me/sessions/{session_id}") => {
            let path = format!("/api/me/sessions/{}", Person::Admin.session());
            admin.delete(&path).await
        }
        ("DELETE", "/api/me/sessions") => admin.delete(path).await,
        ("DELETE", "/api/users/{user_id}/sessions") => admin.delete("/api/users/4/sessions").await,
        ("POST", "/api/auth/register") => register(t, "bob@example.com").await,
        ("POST", "/api/auth/resend" | "/api/auth/password/forgot" | "/api/auth/link") => {
            let form = json!({ "email": "member@example.com" });
            anonymous.post(path, form).await
        }
        (
            "POST",
            "/api/auth/verify-email"
            | "/api/auth/email/confirm"
            | "/api/auth/email/cancel"
            | "/api/auth/restore",
        ) => {
            let form = json!({ "token": session["mailed"] });
            anonymous.post(path, form).await
        }
        ("POST", "/api/auth/link/confirm") => anonymous.post(path, session["kept"].clone()).await,
        ("POST", "/api/auth/password/reset") => {
            let form = json!({ "token": session["mailed"], "password": "quite another password" });
            anonymous.post(path, form).await
        }
        ("POST", "/api/auth/password") => {
            let new = "quite another password";
            let form = json!({ "currentPassword": PASSWORD, "newPassword": new });
            admin.post(path, form).await
        }
        ("POST", "/api/me/email") => {
            let form = json!({ "newEmail": "other@example.com", "currentPassword": PASSWORD });
            admin.post(path, form).await
        }
        ("DELETE", "/api/me") => deletion::leave(&t.member()).await,
        ("POST", "/api/auth/reauthenticate") => {
            admin.post(path, json!({ "password": PASSWORD })).await
        }
        ("POST", "/api/invitations") => {
            invitations::invite(&admin, "bob@example.com", &["user"]).await
        }
        ("DELETE", "/api/invitations/{invitation_id}") => admin.delete("/api/invitations/1").await,
        ("POST", "/api/invitations/{invitation_id}/resend") => {
            let path = "/api/invitations/1/resend";
            admin.request_without_body(method, path).await
        }
        ("POST", "/api/auth/invitation") => {
            let form = json!({ "token": session["mailed"], "name": "Ada", "password": PASSWORD });
            anonymous.post(path, form).await
        }
        ("POST", "/api/auth/challenge") => {
            let code = session["codes"][0].as_str().unwrap();
            meet(t, session["challenge"].as_str().unwrap(), code).await
        }
        ("POST", "/api/me/factors/totp/confirm") => {
            let key = decode(session["secret"].as_str().unwrap());
            t.member()
                .post(path, json!({ "code": code_of(&key) }))
                .await
        }
        ("POST", "/api/me/factors/totp" | "/api/me/factors/recovery-codes") => {
            t.member().request_without_body(method, path).await
        }
        ("DELETE", "/api/me/factors/totp") => t.member().delete(path).await,
        ("DELETE", "/api/users/{user_id}/factors") => admin.delete("/api/users/4/factors").await,
        ("POST", path) if path.ends_with("/options") => {
            let caller = if path.contains("/me/") {
                admin
            } else {
                anonymous
            };
            caller.request_without_body(method, path).await
        }
        ("POST", "/api/auth/passkey") => anonymous.post(path, session["answer"].clone()).await,
        ("POST", "/api/me/passkeys") => admin.post(path, session["answer"].clone()).await,
        ("PATCH", "/api/me/passkeys/{passkey_id}") => {
            let passkey = session["passkey"].as_str().unwrap();
            admin.patch(passkey, json!({ "name": "Key" })).await
        }
        ("DELETE", "/api/me/passkeys/{passkey_id}") => {
            admin.delete(session["passkey"].as_str().unwrap()).await
        }
        ("PATCH", "/api/me") => admin.patch(path, json!({ "name": "Somebody" })).await,
        ("POST", "/api/users") => {
            let new = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
            admin.post(path, new).await
        }
        ("PATCH", "/api/users/{user_id}") => {
            let change = json!({ "email": "other@example.com" });
            admin.patch("/api/users/4", change).await
        }
        ("DELETE", "/api/users/{user_id}") => admin.delete("/api/users/4").await,
        ("PUT", "/api/users/{user_id}/roles") => {
            let roles = json!({ "roles": ["auditor", "user"] });
            admin.put("/api/users/4/roles", roles).await
        }
        (method, path) => panic!("send a usual {method} {path} here"),
    }
}

/// Returns the token of the mail that goes before an operation, if one does.
async fn mailed(t: &TestApp, path: &str) -> Option<String> {
    match path {
        "/api/auth/verify-email" => register(t, NEW).await.expect(202),
        "/api/auth/password/reset" => {
            let form = json!({ "email": "member@example.com" });
            let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
            forgot.expect(202)
        }
        "/api/auth/email/confirm" => {
            let links = email_changes::links(t, "new@example.com").await;
            return Some(links.old);
        }
        "/api/auth/restore" => return Some(deletion::restore_token(t).await),
        "/api/auth/invitation"
        | "/api/invitations/{invitation_id}"
        | "/api/invitations/{invitation_id}/resend" => {
            let (_, token) = invitations::invited(t, NEW, &["user"]).await;
            return Some(token);
        }
        "/api/auth/email/cancel" => {
            let links = email_changes::links(t, "new@example.com").await;
            return Some(links.cancel);
        }
        _ => return None,
    };
    Some(newest_token(t).await)
}

/// Gives the member an authenticator app, or begins with one, where an operation needs it.
async fn prepare(t: &TestApp, method: &Method, path: &str, session: &mut Value) {
    match (method.as_str(), path) {
        ("POST", "/api/me/factors/totp/confirm") => {
            let first = "/api/me/factors/totp";
            let begun = t.member().request_without_body(method, first).await;
            session["secret"] = begun.expect(200)["secret"].clone();
        }
        ("POST", "/api/me/factors/recovery-codes")
        | ("DELETE", "/api/me/factors/totp" | "/api/users/{user_id}/factors") => {
            enrol(t, Person::Member).await;
        }
        ("POST", "/api/auth/reauthenticate/options") => {
            passkeys::added(&t.admin()).await;
        }
        ("POST", "/api/auth/challenge") => {
            session["codes"] = enrol(t, Person::Member).await.codes.into();
            session["challenge"] = half(t, Person::Member).await.into();
        }
        _ => {}
    }
}

/// Does what goes before an operation on passkeys, and keeps what came of it.
async fn prepare_passkey(t: &TestApp, path: &str, session: &mut Value) {
    let mut authenticator = Authenticator::default();
    match path {
        "/api/auth/passkey" => {
            passkeys::add(&t.admin(), &mut authenticator, "Phone")
                .await
                .expect(201);
            let caller = t.anonymous();
            session["answer"] = passkeys::answer(&caller, &mut authenticator).await;
        }
        "/api/me/passkeys" => {
            session["answer"] = passkeys::made(&t.admin(), &mut authenticator, "Phone").await;
        }
        "/api/me/passkeys/{passkey_id}" => {
            session["passkey"] = passkeys::added(&t.admin()).await.into();
        }
        _ => {}
    }
}

async fn refresh(t: &TestApp, session: &Value) -> Answer {
    let token = json!({ "refreshToken": session["refreshToken"] });
    t.anonymous().post("/api/auth/refresh", token).await
}

/// Starts an instance with a warm connection, and returns the answer to the sign-in that made it warm.
pub(crate) async fn warm() -> (TestApp, Wire, Value) {
    let (t, wire) = TestApp::on_a_wire().await;
    let session = t.anonymous().sign_in("member@example.com", PASSWORD).await;
    let session = session.expect(200);
    assert_eq!(wire.take().connections, 1);
    (t, wire, session)
}

/// Returns the waits since the last look, which were for this answer and on the connection that there was.
pub(crate) fn waits(wire: &Wire, answer: &Answer, what: &str) -> usize {
    let asked = wire.take();
    let told = format!("desc=\"{} round trips\"", asked.waits);
    let timing = answer.header("server-timing");
    assert!(timing.contains(&told), "{what}: {told}, told {timing}");
    assert_eq!(asked.connections, 0, "{what} opened a connection");
    asked.waits
}

#[tokio::test]
async fn every_operation_keeps_to_its_budget_and_the_table_is_fresh() {
    let mut table = "| | | waits | at most |\n|---|---|---|---|\n".to_owned();
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            let (method, path) = (&operation.method, endpoint.path);
            let (t, wire, mut session) = warm().await;
            if path == "/api/auth/link/confirm" {
                let mailed = mail_sign_in::mailed(&t, "member@example.com").await;
                session["kept"] = mailed.by_code();
                wire.take();
            }
            if let Some(token) = mailed(&t, path).await {
                session["mailed"] = token.into();
                wire.take();
            }
            prepare(&t, method, path, &mut session).await;
            wire.take();
            if path.contains("/passkey") && !path.ends_with("/options") {
                prepare_passkey(&t, path, &mut session).await;
                wire.take();
            }
            let answer = usual(&t, method, path, &session).await;
            let name = format!("{method} {path}");
            assert!(
                (200..300).contains(&answer.status()),
                "{name}: {}",
                answer.text()
            );
            let (waits, budget) = (waits(&wire, &answer, &name), budget(path, operation));
            assert!(
                waits <= budget,
                "{name} waits {waits} times; its budget is {budget}"
            );
            writeln!(table, "| {method} | `{path}` | {waits} | {budget} |").unwrap();
        }
    }
    let file = repository().join(FILE);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if bless() {
        fs::write(&file, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    assert!(
        written == table,
        "{FILE} is stale; review the waits, then run with USHER_BLESS=1:\n{table}"
    );
}

#[tokio::test]
async fn what_is_out_of_the_usual_waits_as_often_as_the_docs_say() {
    let (t, wire, session) = warm().await;
    let (member, anonymous) = (t.member(), t.anonymous());
    let check = |answer: Answer, status: u16, expected: usize, what: &str| {
        let body = answer.expect(status);
        assert_eq!(waits(&wire, &answer, what), expected, "{what}");
        body
    };
    check(anonymous.get("/api/users").await, 401, 0, "no token");
    check(member.get("/api/users").await, 403, 1, "a refused read");
    let change = member.patch("/api/users/1", json!({ "name": "X" }));
    check(change.await, 403, 1, "a refused change");
    let wrong = anonymous.sign_in("member@example.com", "not the password");
    check(wrong.await, 401, 2, "a wrong password");
    let unknown = anonymous.sign_in("nobody@example.com", "not the password");
    check(unknown.await, 401, 2, "an unknown account");

    for _ in 0..4 {
        anonymous
            .sign_in("nobody@example.com", "not the password")
            .await;
    }
    crate::limits::hold_delays(&t).await;
    wire.take();
    let refused = anonymous.sign_in("nobody@example.com", "not the password");
    check(refused.await, 429, 2, "a refusal that is news");
    let refused = anonymous.sign_in("nobody@example.com", "not the password");
    check(refused.await, 429, 1, "a refusal that is none");

    let next = check(refresh(&t, &session).await, 200, 2, "a refresh");
    check(refresh(&t, &session).await, 200, 3, "a lost answer");
    check(refresh(&t, &next).await, 200, 2, "the next refresh");
    check(refresh(&t, &session).await, 401, 4, "a stolen token");

    let keyed = t
        .admin()
        .with_header("idempotency-key", "a-key-of-this-test");
    let create = || {
        keyed.post(
            "/api/users",
            json!({ "name": "Ada", "email": "ada@example.com" }),
        )
    };
    check(create().await, 201, 2, "a request with a key");
    check(create().await, 201, 3, "the same request again");

    let enrolled = enrol(&t, Person::Member).await;
    wire.take();
    let question = anonymous.sign_in("member@example.com", PASSWORD).await;
    let question = check(question, 403, 2, "a first step");
    let challenge = question["challengeToken"].as_str().unwrap();
    let code = wrong_code(&enrolled.key);
    let wrong = meet(&t, challenge, &code).await;
    check(wrong, 401, 2, "a wrong code");
    let right = meet(&t, challenge, &enrolled.codes[0]).await;
    let session = check(right, 200, 2, "a second step");
    let mailed = mail_sign_in::mailed(&t, "member@example.com").await;
    wire.take();
    let question = mail_sign_in::confirm(&t, mailed.by_link()).await;
    check(question, 403, 3, "a first step by mail");
    let own = anonymous.with_token(session["accessToken"].as_str().unwrap());
    let form = json!({ "password": PASSWORD, "code": enrolled.codes[1] });
    let proof = own.post("/api/auth/reauthenticate", form).await;
    check(proof, 200, 4, "a proof by both factors");

    let path = "/api/users?count=exact&q=member&sort=name&limit=1&fields=id&isActive=true";
    let list = t.admin().get(path).await;
    check(list, 200, 1, "a list with everything");
}
