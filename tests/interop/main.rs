//! Access tokens as others see them: checked by widely used libraries of other languages, with the keys that a running
//! server publishes.
//!
//! They need node with `jose` (`npm install` in this folder) and python3 with `PyJWT`; `.ci/interop` installs both. The feature
//! `interop` switches them on: `cargo test -p usher-tests --features interop --test interop`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::net::TcpListener;
use usher_core::tokens::{Principal, SigningKeys, Tokens};
use usher_domain::{Clock, Method, Proof, SessionId, UserId};
use usher_http::{App, router, routes};
use usher_tests::{Caller, PASSWORD, Person, TestApp, repository};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// What checks tokens: a program, and its script.
const CHECKERS: [[&str; 2]; 2] = [["node", "verify.mjs"], ["python3", "verify.py"]];

/// Serves an instance on this machine, and returns the address of its keys.
async fn serve(app: App) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = axum::serve(listener, router(routes::ALL, app));
    #[expect(clippy::disallowed_methods, reason = "a test is no function")]
    tokio::spawn(async move { serving.await });
    format!("http://{address}/.well-known/jwks.json")
}

/// Returns what a checker says of each token.
async fn check(
    checker: [&str; 2],
    [keys, issuer, audience]: [&str; 3],
    tokens: &[String],
) -> Vec<String> {
    let [program, script] = checker.map(str::to_owned);
    let script = repository().join("tests/interop").join(script);
    let arguments = [keys, issuer, audience].map(str::to_owned);
    let input = tokens.join("\n") + "\n";
    // The server needs a thread meanwhile.
    let output = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(program)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    });
    let output = String::from_utf8(output.await.unwrap().stdout).unwrap();
    let lines: Vec<_> = output.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), tokens.len(), "{checker:?}: {output}");
    lines
}

fn is_refused(line: &str) -> bool {
    line.starts_with("refused ")
}

async fn access_token(caller: &Caller) -> String {
    let session = caller.sign_in(&Person::Member.email(), PASSWORD).await;
    session.expect(200)["accessToken"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn principal() -> Principal {
    Principal {
        user: UserId::new(Person::Member.id()),
        session: SessionId::new(Person::Member.session()),
    }
}

/// Returns a token with another part in the place of one of its own.
fn with_part(token: &str, number: usize, part: &str) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    parts[number] = part;
    parts.join(".")
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Returns tokens that were changed on the way, or are none of this server, each with what is wrong.
fn bad_tokens(app: &App, good: &str) -> Vec<(&'static str, String)> {
    let mut claims = part(good, 1);
    claims["sub"] = json!("1");
    let header = |change: &dyn Fn(&mut Value)| {
        let mut header = part(good, 0);
        change(&mut header);
        with_part(good, 0, &encoded(&header))
    };
    let unsigned = header(&|header| header["alg"] = json!("none"));
    let hour = Clock::default().now() - Duration::HOUR;
    vec![
        ("another subject", with_part(good, 1, &encoded(&claims))),
        ("no signature", with_part(&unsigned, 2, "")),
        (
            "another algorithm",
            header(&|header| header["alg"] = json!("HS256")),
        ),
        (
            "another type",
            header(&|header| header["typ"] = json!("JWT")),
        ),
        (
            "an unknown key",
            header(&|header| header["kid"] = json!("nobody")),
        ),
        (
            "a signature of zeros",
            with_part(good, 2, &URL_SAFE_NO_PAD.encode([0; 64])),
        ),
        ("the keys of somebody else", foreign_token()),
        (
            "too old",
            app.tokens
                .issue(principal(), &Proof::by(Method::Password, hour), hour)
                .unwrap(),
        ),
    ]
}

/// Returns a token that differs from one of the server by its signature alone.
fn foreign_token() -> String {
    let keys = SigningKeys::parse(&SigningKeys::generate().unwrap()).unwrap();
    let now = Clock::default().now();
    let token = Tokens::new(keys, ISSUER, AUDIENCE).issue(
        principal(),
        &Proof::by(Method::Password, now),
        now,
    );
    token.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_accepted_for_its_issuer_and_its_audience_alone() {
    let t = TestApp::with(&[("USHER_AUDIENCE", AUDIENCE)]).await;
    let keys = serve(t.app.clone()).await;
    let token = access_token(&t.anonymous()).await;
    let header = part(&token, 0);
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("ES256"), &json!("at+jwt"))
    );
    for checker in CHECKERS {
        let tokens = [token.clone()];
        let found = check(checker, [&keys, ISSUER, AUDIENCE], &tokens).await;
        assert_eq!(found, [format!("accepted {}", Person::Member.id())]);
        for wrong in [
            [&keys, "https://id.example.org", AUDIENCE],
            [&keys, ISSUER, "https://api.example.org"],
        ] {
            assert!(
                is_refused(&check(checker, wrong, &tokens).await[0]),
                "{wrong:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_changed_is_refused() {
    let t = TestApp::with(&[("USHER_AUDIENCE", AUDIENCE)]).await;
    let keys = serve(t.app.clone()).await;
    let good = access_token(&t.anonymous()).await;
    let bad = bad_tokens(&t.app, &good);
    let mut tokens: Vec<_> = bad.iter().map(|(_, token)| token.clone()).collect();
    tokens.push(good);
    for checker in CHECKERS {
        let found = check(checker, [&keys, ISSUER, AUDIENCE], &tokens).await;
        let (last, rest) = found.split_last().unwrap();
        assert!(!is_refused(last), "{checker:?}: {last}");
        for (line, (what, _)) in rest.iter().zip(&bad) {
            assert!(is_refused(line), "{checker:?}, {what}: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_read_the_keys_before_the_date_of_the_next_one_accepts_its_tokens() {
    let t = TestApp::start().await;
    let [old, new] = [(); 2].map(|()| SigningKeys::generate().unwrap());
    let list = |ahead: Duration| {
        let date: OffsetDateTime = Clock::default().now() + ahead;
        format!("{new}@{},{old}", date.format(&Rfc3339).unwrap())
    };
    let with = |list: &str| t.beside(&[("USHER_SIGNING_KEYS", list), ("USHER_AUDIENCE", AUDIENCE)]);
    let (before, old_caller) = with(&list(Duration::HOUR));
    let (_, new_caller) = with(&list(-Duration::MINUTE));
    let tokens = [
        access_token(&old_caller).await,
        access_token(&new_caller).await,
    ];
    let [first, second] = [0, 1].map(|number: usize| part(&tokens[number], 0)["kid"].clone());
    assert_ne!(first, second);
    let keys = serve(before).await;
    let only_old = serve(with(&old).0).await;
    for checker in CHECKERS {
        let found = check(checker, [&keys, ISSUER, AUDIENCE], &tokens).await;
        assert!(!found.iter().any(|line| is_refused(line)), "{found:?}");
        // The control: who knows the old key alone refuses them.
        let found = check(checker, [&only_old, ISSUER, AUDIENCE], &tokens).await;
        assert_eq!(
            found
                .iter()
                .map(|line| is_refused(line))
                .collect::<Vec<_>>(),
            [false, true]
        );
    }
}
