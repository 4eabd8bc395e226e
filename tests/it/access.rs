//! Who may do what: every path with every method and every kind of caller, as one table that is reviewed as text.
//!
//! The table is checked twice: against the permission that the handler's signature asks for, and against the file
//! `access.txt`, so that a change of rights is seen in review. `USHER_BLESS=1 cargo test` writes the file anew.

use std::{collections::BTreeSet, fmt::Write, fs};

use http::Method;
use usher_http::{Endpoint, access::Access, routes};
use usher_tests::{CRON_SECRET, Caller, Person, TestApp, repository};
use uuid::Uuid;

const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

async fn call(caller: &Caller, method: &Method, path: &str) -> u16 {
    let path = path
        .replace("{user_id}", "4")
        .replace("{invitation_id}", "1")
        .replace("{passkey_id}", &Uuid::max().to_string())
        .replace("{key_id}", "1")
        .replace("{session_id}", &Person::Member.session().to_string());
    match *method {
        Method::GET | Method::DELETE => caller.request_without_body(method, &path).await.status(),
        // No field of any form: whoever may do it at all is told what is missing.
        _ => caller.json(method, &path, r#"{"none":0}"#).await.status(),
    }
}

/// Returns the statuses for a stranger and everybody in the order of their ids.
async fn row(method: &Method, path: &str) -> Vec<u16> {
    let settings = &[("CRON_SECRET", CRON_SECRET)];
    let mut t = TestApp::with(settings).await;
    crate::api_keys::sign_in_anew(&t).await;
    let mut statuses = vec![call(&t.anonymous(), method, path).await];
    for person in Person::ALL {
        let status = call(&t.caller(person), method, path).await;
        statuses.push(status);
        if *method == Method::DELETE && status == 204 {
            t = TestApp::with(settings).await;
            crate::api_keys::sign_in_anew(&t).await;
        }
    }
    statuses
}

/// Returns what the signature of the handler promises for somebody.
fn promised(endpoint: &Endpoint, method: &Method, person: Option<Person>) -> Option<u16> {
    let operations = endpoint.operations();
    let Some(operation) = operations
        .list()
        .iter()
        .find(|operation| operation.method == *method)
    else {
        return Some(405);
    };
    let is_signed_in = person.is_some_and(|person| person != Person::Locked);
    match (operation.access(), person) {
        (Access::Anyone, _) => None,
        // No account is a scheduler.
        (Access::Scheduler, _) => Some(401),
        _ if !is_signed_in => Some(401),
        (Access::May(permission), Some(person)) => {
            let held: &[&str] = match person {
                Person::Admin => return None,
                Person::Auditor => &["audit:read", "roles:read", "users:read"],
                Person::Helper => &["users:create", "users:delete", "users:read", "users:update"],
                Person::Member | Person::Locked => &[],
            };
            (!held.contains(&permission.as_str())).then_some(403)
        }
        _ => None,
    }
}

fn cell(status: u16) -> String {
    if status == 405 {
        "·".to_owned()
    } else {
        status.to_string()
    }
}

#[tokio::test]
async fn the_table_of_rights_is_as_reviewed() {
    let mut table = format!("{:38} stranger admin auditor helper member locked\n", "");
    for endpoint in routes::ALL {
        for method in METHODS {
            let statuses = row(&method, endpoint.path).await;
            let people = [None].into_iter().chain(Person::ALL.map(Some));
            for (person, &status) in people.zip(&statuses) {
                let who = format!("{method} {} as {person:?}", endpoint.path);
                assert!(status < 500, "{who}: {status}");
                match promised(endpoint, &method, person) {
                    Some(expected) => assert_eq!(status, expected, "{who}"),
                    None => assert!(![403, 405].contains(&status), "{who}: {status}"),
                }
            }
            if statuses.iter().any(|&status| status != 405) {
                let cells: Vec<_> = statuses.into_iter().map(cell).collect();
                writeln!(
                    table,
                    "{:6} {:31} {:>8} {:>5} {:>7} {:>6} {:>6} {:>6}",
                    method.as_str(),
                    endpoint.path,
                    cells[0],
                    cells[1],
                    cells[2],
                    cells[3],
                    cells[4],
                    cells[5]
                )
                .unwrap();
            }
        }
    }
    let file = repository().join("tests/it/access.txt");
    if bless() {
        fs::write(&file, &table).unwrap();
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        table == reviewed,
        "rights have changed; review the table, then run with USHER_BLESS=1:\n{table}"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "asks for a new file of a test, configures nothing"
)]
pub(crate) fn bless() -> bool {
    std::env::var("USHER_BLESS").is_ok()
}

#[test]
fn only_these_operations_are_open_to_anybody() {
    let mut open = BTreeSet::new();
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            if operation.access() == Access::Anyone {
                open.insert(format!("{} {}", operation.method, endpoint.path));
            }
        }
    }
    let expected = [
        "GET /api/auth/jwks",
        "GET /api/health",
        "GET /api/health/live",
        "GET /api/health/ready",
        // The right password was shown before.
        "POST /api/auth/challenge",
        // The token of a mail says whose address it is about.
        "POST /api/auth/email/cancel",
        "POST /api/auth/email/confirm",
        "POST /api/auth/invitation",
        // Who signs in by mail has nothing else to show, either.
        "POST /api/auth/link",
        "POST /api/auth/link/confirm",
        "POST /api/auth/login",
        "POST /api/auth/logout",
        // A passkey tells by itself who somebody is.
        "POST /api/auth/passkey",
        "POST /api/auth/passkey/options",
        // Who has no account, or lost the way into it, has nothing else to show than a mail.
        "POST /api/auth/password/forgot",
        "POST /api/auth/password/reset",
        "POST /api/auth/refresh",
        "POST /api/auth/register",
        "POST /api/auth/resend",
        "POST /api/auth/restore",
        "POST /api/auth/verify-email",
    ];
    assert_eq!(open.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn nobody_learns_who_exists_without_the_right_to_read() {
    let t = TestApp::start().await;
    for path in [
        "/api/users/4",
        "/api/users/999",
        "/api/users/999/roles",
        "/api/users/nonsense",
    ] {
        assert_eq!(
            t.anonymous().get(path).await.problem(401),
            "unauthenticated",
            "{path}"
        );
        assert_eq!(
            t.member().get(path).await.problem(403),
            "forbidden",
            "{path}"
        );
    }
    assert_eq!(
        t.admin().get("/api/users/999").await.problem(404),
        "user-not-found"
    );
}

#[tokio::test]
async fn an_id_in_the_body_or_query_is_nobodys_right() {
    let t = TestApp::start().await;
    for path in [
        "/api/users?user_id=1",
        "/api/me?userId=1",
        "/api/users/1?user_id=4",
    ] {
        assert_eq!(
            t.anonymous().get(path).await.problem(401),
            "unauthenticated",
            "{path}"
        );
    }
    let user = t.admin().get("/api/users/4?user_id=1").await.expect(200);
    assert_eq!(
        user["id"], 4,
        "the path names the user, whatever the platform adds to the query"
    );
}
