//! Whether answers tell who has an account: the same requests for addresses that are known and unknown, in turns, compared byte
//! by byte and by their times (Welch's t-test; ASVS 5.0.0, 6.3.8).
//!
//! `cargo run --release -p usher-tests --example enumeration [-- --samples 2000]`
//!
//! The first line is a control that must be found out: a sign-in that hashes only what it has found. Exits with 1 when an
//! answer differs, when a |t| is 4.5 or more, or when the control stays below.

#![expect(clippy::print_stdout, reason = "a benchmark")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends by panicking")]

use std::{process::ExitCode, time::Instant};

use serde_json::{Value, json};
use usher_core::users;
use usher_domain::{Email, PasswordAttempt};
use usher_tests::{Answer, Caller, PASSWORD, TestApp};

/// So many samples of either kind, unless told otherwise.
const SAMPLES: usize = 2_000;
/// At 4.5 a difference is no accident: it happens once in 150,000 times.
const LIMIT: f64 = 4.5;
/// Requests that come first and do not count.
const WARM_UP: usize = 50;
/// Everything comes from one address here, and goes to few.
const LIMITS: &str = "login-address=1000000/1,register-address=1000000/1,mail-address=1000000/1,mail-recipient=1000000/1,everybody=1000000/1";

/// Writes a request for an address.
type Form = fn(&str) -> Value;

/// What is asked, and where.
const REQUESTS: [(&str, Form); 5] = [
    (
        "/api/auth/login",
        |email| json!({ "email": email, "password": "not the right one at all" }),
    ),
    (
        "/api/auth/register",
        |email| json!({ "name": "Somebody", "email": email, "password": PASSWORD }),
    ),
    ("/api/auth/resend", |email| json!({ "email": email })),
    (
        "/api/auth/password/forgot",
        |email| json!({ "email": email }),
    ),
    ("/api/auth/link", |email| json!({ "email": email })),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let samples = samples();
    let t = TestApp::with(&[("USHER_SIGN_UP", "open"), ("USHER_LIMITS", LIMITS)]).await;
    t.execute(
        "insert into users (name, email, password, email_verified_at)
        select 'Somebody', 'known' || number || '@example.org', (select password from users where id = 4), now()
        from generate_series(0, 99999) as number",
    )
    .await;
    t.execute("vacuum analyze").await;
    // It comes first: later on, the unknown ones have registered.
    let control = control(&t, samples.min(300)).await;
    println!("{:28} {control}", "control: no dummy hash");
    let mut is_well = true;
    println!("{samples} samples each, known and unknown in random turns");
    for (path, form) in REQUESTS {
        let mut times = Times::default();
        let caller = t.anonymous();
        let mut answers = [None, None];
        for round in 0..WARM_UP + samples {
            for is_known in turns(round) {
                let email = address(is_known, round);
                let started = Instant::now();
                let answer = send(&caller, path, form(&email)).await;
                let time = started.elapsed().as_secs_f64();
                if round >= WARM_UP {
                    times.add(is_known, time);
                }
                let answer = bare(&answer);
                let before = answers[usize::from(is_known)].get_or_insert_with(|| answer.clone());
                assert_eq!(*before, answer, "{path} answers the same each time");
            }
        }
        let is_equal = answers[0] == answers[1];
        is_well &= is_equal && times.t().abs() < LIMIT;
        let equal = if is_equal { "equal" } else { "DIFFERENT" };
        println!("{path:28} answers {equal}, {times}");
    }
    if is_well && control.t().abs() >= LIMIT {
        ExitCode::SUCCESS
    } else {
        println!("an answer tells who has an account, or the control was not found out");
        ExitCode::FAILURE
    }
}

fn samples() -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--samples");
    let given = arguments.nth(1);
    given.map_or(SAMPLES, |text| text.parse().unwrap())
}

async fn send(caller: &Caller, path: &str, form: Value) -> Answer {
    caller.post(path, form).await
}

/// Returns an answer without what is different in each.
fn bare(answer: &Answer) -> String {
    let body = match serde_json::from_str::<Value>(answer.text()) {
        Ok(Value::Object(mut members)) => {
            members.remove("requestId");
            // Random in each, and always as long.
            let token = members.get_mut("requestToken");
            if let Some(token) = token {
                *token = token.as_str().unwrap().len().into();
            }
            Value::Object(members).to_string()
        }
        _ => answer.text().to_owned(),
    };
    let length = answer.header("content-length");
    let kind = answer.header("content-type");
    format!("{} {kind} {length} {body}", answer.status())
}

/// Which of the two comes first, by a coin that falls the same way each time the benchmark runs.
fn turns(round: usize) -> [bool; 2] {
    let mut coin = round as u64 ^ 0x9E37_79B9_7F4A_7C15;
    coin ^= coin >> 33;
    coin = coin.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    coin ^= coin >> 33;
    let is_first = coin & 1 == 0;
    [is_first, !is_first]
}

/// Addresses of the same length; each is asked for once, so that no limit of its own is reached.
fn address(is_known: bool, round: usize) -> String {
    let host = if is_known {
        "example.org"
    } else {
        "example.net"
    };
    format!("known{}@{host}", 10_000 + round)
}

/// Signs in as one would without a thought: whoever is not found is not hashed for.
async fn control(t: &TestApp, samples: usize) -> Times {
    let mut times = Times::default();
    for round in 0..samples {
        for is_known in turns(round) {
            let email = Email::parse(&address(is_known, round)).unwrap();
            let started = Instant::now();
            let connection = t.app.database.connection().await.unwrap();
            let found = users::find_credentials(&connection, &email).await.unwrap();
            drop(connection);
            if let Some(found) = found {
                let attempt = PasswordAttempt::parse("not the right one at all").unwrap();
                let stored = found.password.as_ref().map(|hash| (hash, &found.user));
                t.app.passwords.verify(attempt, stored).await.unwrap();
            }
            times.add(is_known, started.elapsed().as_secs_f64());
        }
    }
    times
}

/// Times of both kinds, as Welch's test needs them: by number, mean and sum of squares (Welford).
#[derive(Default)]
struct Times([Kind; 2]);

#[derive(Default)]
struct Kind {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Times {
    fn add(&mut self, is_known: bool, time: f64) {
        let kind = &mut self.0[usize::from(is_known)];
        kind.count += 1.0;
        let distance = time - kind.mean;
        kind.mean += distance / kind.count;
        kind.squares += distance * (time - kind.mean);
    }

    /// Welch's t of known against unknown.
    fn t(&self) -> f64 {
        let [unknown, known] = &self.0;
        let error = |kind: &Kind| kind.squares / (kind.count - 1.0) / kind.count;
        (known.mean - unknown.mean) / (error(known) + error(unknown)).sqrt()
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [unknown, known] = &self.0;
        write!(
            formatter,
            "known {:.3} ms, unknown {:.3} ms, t = {:.2}",
            known.mean * 1000.0,
            unknown.mean * 1000.0,
            self.t()
        )
    }
}
