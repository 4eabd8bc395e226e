//! What row level security costs: the same requests on two databases, one with the policies and one without, in turns.
//!
//! `cargo run --release -p usher-tests --example policies`

#![expect(clippy::print_stdout, reason = "a benchmark")]

use std::time::{Duration, Instant};

use serde_json::json;
use usher_tests::{Answer, Caller, TestApp};

const USERS: u32 = 100_000;
const ROUNDS: u32 = 2_000;

/// What is measured, by name.
const REQUESTS: [(&str, Request); 4] = [
    ("a user by id", Request::Get("/api/users/5000")),
    ("a page of 20 users", Request::Get("/api/users")),
    ("a search", Request::Get("/api/users?q=abc12")),
    ("an audited change", Request::Change),
];

#[derive(Clone, Copy)]
enum Request {
    Get(&'static str),
    Change,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (with, without) = (TestApp::start().await, TestApp::start().await);
    for t in [&with, &without] {
        t.execute(&format!(
            "insert into users (name, email)
            select md5(number::text), 'person' || number || '@example.org' from generate_series(1, {USERS}) as number"
        ))
        .await;
        t.execute("vacuum analyze").await;
    }
    without
        .execute(
            "alter table users disable row level security;
            alter table sessions disable row level security;
            alter table audit_logs disable row level security",
        )
        .await;
    println!("{USERS} users, {ROUNDS} requests each in turns, medians");
    for (name, request) in REQUESTS {
        let mut times = [Vec::new(), Vec::new()];
        let callers = [with.admin(), without.admin()];
        for round in 0..ROUNDS {
            for (caller, times) in callers.iter().zip(&mut times) {
                let started = Instant::now();
                let answer = send(caller, request, round).await;
                times.push(started.elapsed());
                answer.expect(200);
            }
        }
        let [with, without] = times.map(median);
        println!(
            "{name:20} {:.3} ms with, {:.3} ms without: {:.3}",
            with.as_secs_f64() * 1000.0,
            without.as_secs_f64() * 1000.0,
            with.as_secs_f64() / without.as_secs_f64()
        );
    }
}

async fn send(caller: &Caller, request: Request, round: u32) -> Answer {
    match request {
        Request::Get(path) => caller.get(path).await,
        Request::Change => {
            let name = format!("Somebody {round}");
            caller.patch("/api/users/4", json!({ "name": name })).await
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
