//! What the product does with a million users.
//!
//! ```text
//! cargo run --release -p usher-tests --example load -- search
//! ```
//!
//! Ten callers share ten connections and send their next request when they have the answer to the last one, so that the
//! machine is busy all the time. Users are made first, which takes minutes; `USERS=100000` before the command makes fewer
//! and `SECONDS=5` measures each line for longer. The database is a throw-away server, or that of `DATABASE_URL_TEST`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{
    env,
    str::FromStr,
    time::{Duration, Instant},
};

use usher_tests::TestApp;

mod callers;
mod search;

#[tokio::main]
async fn main() {
    let (users, seconds) = (setting("USERS", 1_000_000_u32), setting("SECONDS", 1.0));
    let t = TestApp::start().await;
    fill(&t, users).await;
    let duration = Duration::from_secs_f64(seconds);
    match env::args().nth(1).as_deref() {
        Some("search") => search::run(&t, duration).await,
        other => println!("{other:?} is not measured here: say search"),
    }
}

/// Returns a variable of the environment, or what is usual.
fn setting<T: FromStr>(name: &str, usual: T) -> T {
    let value = env::var_os(name).and_then(|value| value.to_str()?.parse().ok());
    value.unwrap_or(usual)
}

/// Makes the users, with statistics and a visibility map as a database has them that is no longer new.
async fn fill(t: &TestApp, users: u32) {
    let started = Instant::now();
    println!("making {users} users");
    t.execute(&include_str!("users.sql").replace("{users}", &users.to_string()))
        .await;
    t.execute("vacuum analyze").await;
    println!("made in {:.0} s", started.elapsed().as_secs_f64());
}
