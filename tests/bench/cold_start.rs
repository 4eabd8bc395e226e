//! How long a function takes from its start to its first answer, with and without the database.
//!
//! ```text
//! cargo build --release --bins -p usher-api
//! cargo run -p usher-tests --example cold_start
//! ```
//!
//! Each function is started as a plain process 21 times per question, over loopback, on a throw-away Postgres. The peer in the same run is the smallest program that does the same with nothing of
//! ours: `psql` connecting with the same string and asking for one row.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a benchmark"
)]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use usher_core::{secret::Secret, tokens::SigningKeys};
use usher_tests::{TestApp, repository};

const ROUNDS: usize = 21;

#[tokio::main]
async fn main() {
    let t = TestApp::start().await;
    let settings = [
        ("DATABASE_URL", t.app_url()),
        ("USHER_SIGNING_KEYS", SigningKeys::generate().unwrap()),
        ("USHER_SECRET", Secret::generate().unwrap()),
        ("USHER_ISSUER", "https://id.example.com".to_owned()),
    ];
    let folder = std::env::args().nth(1);
    let release = repository().join(folder.as_deref().unwrap_or("target/release"));
    println!(
        "{:32} {:>9} {:>22} {:>22}",
        "function", "size", "to liveness", "to a row of the database"
    );
    let live = times(
        &release.join("api-health-live"),
        "/api/health/live",
        &settings,
    );
    let ready = times(
        &release.join("api-health-ready"),
        "/api/health/ready",
        &settings,
    );
    for (name, live, ready) in [
        ("api-health-live", Some(live), None),
        ("api-health-ready", None, Some(ready)),
    ] {
        let size = fs::metadata(release.join(name)).unwrap().len();
        println!(
            "{name:32} {:>6.1} MB {:>22} {:>22}",
            size as f64 / 1e6,
            show(live),
            show(ready)
        );
    }
    println!(
        "{:32} {:>9} {:>22} {:>22}",
        "psql -c 'select 1'",
        "",
        "",
        show(Some(psql(t.url())))
    );
}

/// Returns the times of all rounds in order.
fn times(binary: &Path, path: &str, settings: &[(&str, String)]) -> Vec<Duration> {
    let mut times: Vec<_> = (0..ROUNDS).map(|_| time(binary, path, settings)).collect();
    times.sort();
    times
}

fn time(binary: &Path, path: &str, settings: &[(&str, String)]) -> Duration {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let started = Instant::now();
    let mut function = start(binary, address.port(), settings);
    let answer = ask(address, path);
    let elapsed = started.elapsed();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    function.kill().unwrap();
    function.wait().unwrap();
    elapsed
}

fn start(binary: &Path, port: u16, settings: &[(&str, String)]) -> Child {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("PORT", port.to_string())
        .envs(settings.iter().map(|(name, value)| (name, value)));
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Asks until somebody listens.
fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(Duration::from_micros(100)),
        }
    };
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn psql(url: &str) -> Vec<Duration> {
    let time = |_| {
        let started = Instant::now();
        let done = Command::new("psql")
            .arg(url)
            .args(["-XAtc", "select 1"])
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success());
        started.elapsed()
    };
    let mut times: Vec<_> = (0..ROUNDS).map(time).collect();
    times.sort();
    times
}

fn show(times: Option<Vec<Duration>>) -> String {
    times.map_or(String::new(), |times| {
        let milliseconds = |index: usize| times[index].as_secs_f64() * 1000.0;
        format!(
            "{:.1} ms ({:.1}-{:.1})",
            milliseconds(ROUNDS / 2),
            milliseconds(1),
            milliseconds(ROUNDS - 2)
        )
    })
}
