//! How often each operation waits for the database, counted on the wire, held to a budget and written into the docs.
//!
//! `USHER_BLESS=1 cargo test -p usher-tests --test it round_trips` writes the table of `docs/performance.md` anew.

use std::{fmt::Write, fs};

use serde_json::{Value, json};
use usher_domain::Action;
use usher_http::{Operation, access::Access, routes};
use usher_tests::{Answer, PASSWORD, Person, TestApp, Wire, repository};

use crate::{
    access::bless,
    challenges::meet,
    enrolled::{enrol, wrong_code},
    mail_sign_in,
};

mod usual;

use usual::{mailed, prepare, prepare_passkey, refresh, usual};

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
