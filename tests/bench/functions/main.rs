//! What the built programs cost: their start, their memory, and passwords. The figures of docs/performance.md are from here.
//!
//! ```text
//! cargo build --release --locked --bins -p usher-api -p usher-cli
//! cargo run --release -p usher-tests --features processes --example functions -- cold
//! ```
//!
//! `cold` starts every function again and again, `memory` sends thousands of requests to a few of them, and `passwords`
//! signs in and creates users as fast as `usher serve` can. Each starts a server of its own, and prints a table in
//! Markdown. It needs Linux, `psql` and `openssl`.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::{env, fs};

mod asks;
mod caller;
mod cold;
mod cost;
mod memory;
mod passwords;
mod stage;

#[tokio::main]
async fn main() {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    println!("load of the machine at the start: {load}");
    match env::args().nth(1).as_deref() {
        Some("cold") => cold::run().await,
        Some("memory") => memory::run().await,
        Some("passwords") => passwords::run().await,
        other => println!("{other:?} is not measured here: say cold, memory or passwords"),
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    println!("load of the machine at the end: {load}");
}
