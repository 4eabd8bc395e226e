//! Attacks that are tried on every endpoint there is: bodies that hold nothing or too much, paths and headers that are bent.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::{Value, json};
use usher_http::access::Access;
use usher_tests::TestApp;

use crate::operations::{self, Operation, all, state, with_body};

/// Names that would give somebody more if a form took them, and that no form takes where it should not.
const MORE: [&str; 22] = [
    "id",
    "userId",
    "user_id",
    "sub",
    "actorId",
    "asUser",
    "emailVerified",
    "email_verified",
    "emailVerifiedAt",
    "isVerified",
    "isSelfRegistered",
    "isActive",
    "roles",
    "role",
    "permissions",
    "isAdmin",
    "secondFactors",
    "version",
    "deletedAt",
    "__proto__",
    "email",
    "token",
];

#[tokio::test]
async fn attack_02_a_body_that_holds_nothing_takes_no_step() {
    let t = operations::start().await;
    let before = state(&t).await;
    let mut cases = 0;
    for (operation, body) in with_body().into_iter().filter(|(_, body)| body.is_required) {
        let all_of = |value: &Value| {
            let members = body.members.iter();
            let form = members.map(|name| (name.clone(), value.clone())).collect();
            Value::Object(form).to_string()
        };
        let mut bodies = vec![
            String::new(),
            " ".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "\"\"".to_owned(),
            "{\"\":null}".to_owned(),
            all_of(&Value::Null),
            all_of(&json!([])),
            all_of(&json!("")),
        ];
        // A change of nothing is none, and a rotation takes what is usual.
        if operation.method == Method::POST
            && !body.members.iter().any(|name| name.ends_with("Days"))
        {
            bodies.push("{}".to_owned());
        }
        for text in bodies {
            let answer = operation.send(&operation.caller(&t), &text).await;
            let what = format!("{} {text}: {}", operation.name(), answer.text());
            assert!([400, 401, 403, 404].contains(&answer.status()), "{what}");
            cases += 1;
        }
        let bare = operation.caller(&t);
        let bare = bare.request_without_body(&operation.method, &operation.path);
        assert!(
            [400, 401, 415].contains(&bare.await.status()),
            "{}",
            operation.name()
        );
        cases += 1;
    }
    assert_eq!(state(&t).await, before);
    operations::enough(cases, 250);
}

#[tokio::test]
async fn attack_17_23_24_a_member_that_would_give_more_is_refused() {
    let t = operations::start().await;
    let before = state(&t).await;
    let mut cases = 0;
    for operation in all() {
        let caller = operation.caller(&t);
        for name in MORE {
            let mut form = operation
                .body
                .as_ref()
                .map(operations::Body::form)
                .unwrap_or_default();
            let is_member = operation
                .body
                .as_ref()
                .is_some_and(|body| body.members.iter().any(|member| member == name));
            if is_member {
                continue;
            }
            form.insert(name.to_owned(), json!(1));
            let text = Value::from(form).to_string();
            let what = format!("{name} to {}", operation.name());
            if !operation.is_open() {
                let answer = operation.send(&t.anonymous(), &text).await;
                assert_eq!(answer.problem(401), "unauthenticated", "{what}");
                cases += 1;
            }
            if operation.body.is_some() {
                let answer = operation.send(&caller, &text).await;
                let expected = format!("/{name} unknown");
                assert!(
                    answer.faults().contains(&expected),
                    "{what}: {}",
                    answer.text()
                );
                cases += 1;
            }
        }
    }
    assert_eq!(state(&t).await, before);
    let counted =
        "select (select count(*) from request_rates) + (select count(*) from credential_tries)";
    assert_eq!(
        t.count(counted).await,
        0,
        "and no limit was asked for any of it"
    );
    operations::enough(cases, 1500);
}

/// Returns other ways to write a path, which a proxy may take for it and which lead nowhere.
fn spellings(path: &str) -> BTreeSet<String> {
    let (head, last) = path.rsplit_once('/').unwrap();
    let rest = &path[1..];
    let first = format!("%{:02x}{}", last.as_bytes()[0], &last[1..]);
    let mut all: BTreeSet<String> = [
        "%2F",
        "%2f",
        "%252F",
        "%5C",
        "%5c",
        "%EF%BC%8F",
        "%c0%af",
        "//",
        "/./",
        "/%2e/",
        "/x/../",
        "/x/%2e%2e/",
        "/;/",
        "/;x=1/",
    ]
    .iter()
    .flat_map(|slash| {
        [
            format!("/{}", rest.replace('/', slash)),
            format!("{head}{slash}{last}"),
        ]
    })
    .collect();
    for end in [
        "/", "//", "/.", "/..", "%2F", "%20", "%00", "%09", "%0a", ".", ".json", ";x=1", "%3fx",
        "%23", "*", "/*", "~",
    ] {
        all.insert(format!("{path}{end}"));
    }
    for start in ["/", "/.", "/x/..", "/%2e", "/%2F", "/api"] {
        all.insert(format!("{start}{path}"));
    }
    all.insert(path.to_uppercase());
    all.insert(path.replacen("/api", "/API", 1));
    all.insert(path.replacen("/api", "/%61pi", 1));
    all.insert(format!("{head}/{first}"));
    all.remove(path);
    all
}

#[tokio::test]
async fn attack_25_a_path_that_is_written_otherwise_opens_nothing() {
    let t = operations::start().await;
    let before = state(&t).await;
    let mut cases = 0;
    for operation in all() {
        for path in spellings(&operation.path) {
            // One decoding of an id is the same id, whose owner is asked for as ever.
            let answer = operation.call_at(&t.anonymous(), &path).await;
            let what = format!("{} as {path}: {}", operation.name(), answer.text());
            let expected: &[u16] = if operation.is_open() {
                &[404, 405]
            } else {
                &[401, 404, 405]
            };
            assert!(expected.contains(&answer.status()), "{what}");
            cases += 1;
            if let Access::May(_) = operation.access {
                let answer = operation.call_at(&t.member(), &path).await;
                assert!([403, 404, 405].contains(&answer.status()), "{what}");
                cases += 1;
            }
        }
    }
    assert_eq!(state(&t).await, before);
    operations::enough(cases, 3000);
}

/// Headers by which a proxy speaks of the caller.
const OF_PROXIES: [&str; 16] = [
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-vercel-forwarded-for",
    "cf-connecting-ip",
    "true-client-ip",
    "x-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-middleware-subrequest",
    "via",
    "host",
];

/// What no proxy writes.
pub(crate) fn garbage() -> [Vec<u8>; 6] {
    [
        b"a".to_vec(),
        Vec::new(),
        b"\xff\xfe\x80".to_vec(),
        b"127.0.0.1, ::1, unknown".to_vec(),
        b"for=\"[::1]\";host=evil.example;proto=http".to_vec(),
        vec![b'9'; 4000],
    ]
}

pub(crate) async fn status_with(
    operation: &Operation,
    t: &TestApp,
    name: &str,
    value: &[u8],
) -> u16 {
    let caller = t.anonymous();
    let form = operation
        .body
        .as_ref()
        .map(|body| Value::from(body.form()).to_string());
    let request = caller
        .request(&operation.method, &operation.path)
        .header(header::CONTENT_TYPE, "application/json");
    let mut request = request.body(Body::from(form.unwrap_or_default())).unwrap();
    let name = HeaderName::try_from(name).unwrap();
    request
        .headers_mut()
        .insert(name, HeaderValue::from_bytes(value).unwrap());
    caller.send(request).await.status()
}

#[tokio::test]
async fn attack_18_garbage_from_a_proxy_decides_nothing_anywhere() {
    let t = operations::start().await;
    let mut cases = 0;
    // What mails would mail each time; that is tried with every header elsewhere.
    let mails = ["register", "resend", "forgot", "link"];
    let is_quiet = |one: &Operation| !mails.iter().any(|end| one.route.ends_with(end));
    for operation in all().into_iter().filter(is_quiet) {
        let plain = status_with(&operation, &t, "x-nothing", b"").await;
        for name in OF_PROXIES {
            for value in garbage() {
                let status = status_with(&operation, &t, name, &value).await;
                assert_eq!(status, plain, "{} with {name}", operation.name());
                cases += 1;
            }
        }
    }
    operations::enough(cases, 5000);
}
