//! How long a function takes from its start to its first answer, without and with the database. The peer is `psql`, which
//! connects with the same string and asks for one row.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use usher_devdb::Binaries;
use usher_http::{Endpoint, routes};
use usher_tests::processes::Instance;

use crate::stage::{Stage, Way, name, program};

const ROUNDS: usize = 21;
const WAYS: [Way; 2] = [Way::Password, Way::Tls];
/// These answer without the database.
const ALONE: [&str; 2] = ["/api/health/live", "/api/auth/jwks"];

/// What was measured of one function.
struct Measured {
    endpoint: Endpoint,
    name: String,
    waits: usize,
    unrouted: Vec<Duration>,
    answered: [Vec<Duration>; 2],
}

pub(crate) async fn run() {
    let mut stage = Stage::set().await;
    let mut functions = Vec::new();
    for endpoint in routes::ALL {
        functions.push(Measured {
            endpoint: *endpoint,
            name: name(endpoint),
            waits: waits(&mut stage, endpoint).await,
            unrouted: Vec::new(),
            answered: [Vec::new(), Vec::new()],
        });
    }
    let (peer, mut psql) = (psql(), [Vec::new(), Vec::new()]);
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for function in &mut functions {
            let took = unrouted(&stage, &function.name).await;
            function.unrouted.push(took);
        }
        for (index, way) in WAYS.into_iter().enumerate() {
            for function in &mut functions {
                let took = answered(&mut stage, function, way).await;
                function.answered[index].push(took);
            }
            psql[index].push(ask_with_psql(&peer, &stage.url(way)));
        }
    }
    print(functions, psql);
}

/// Returns how often the first answer waits for the database, as an instance of development tells.
async fn waits(stage: &mut Stage, endpoint: &Endpoint) -> usize {
    let name = name(endpoint);
    let development = ("USHER_ENV", "development".to_owned());
    let settings = [stage.settings(Way::Tls), vec![development]].concat();
    let instance = Instance::start(&program(&name), &name, &settings);
    let answer = stage.ask(&instance.client(), endpoint).await;
    let timing = answer.header("server-timing");
    let (_, told) = timing.split_once("desc=\"").unwrap();
    let waits = told.split(' ').next().unwrap().parse().unwrap();
    let is_alone = ALONE.contains(&endpoint.path);
    assert_eq!(waits == 0, is_alone, "{name} says {timing}");
    instance.stop();
    waits
}

/// Returns the time until the function has said that there is nothing at a path.
async fn unrouted(stage: &Stage, name: &str) -> Duration {
    let started = Instant::now();
    let instance = stage.start(name, Way::Tls);
    let answer = instance.client().get("/", "").await;
    let took = started.elapsed();
    answer.expect(404);
    instance.stop();
    took
}

/// Returns the time until the function has answered what it is for.
async fn answered(stage: &mut Stage, function: &Measured, way: Way) -> Duration {
    let started = Instant::now();
    let instance = stage.start(&function.name, way);
    stage.ask(&instance.client(), &function.endpoint).await;
    let took = started.elapsed();
    instance.stop();
    took
}

/// Returns `psql` itself: what stands in the path on Debian looks for it first, by Perl.
fn psql() -> PathBuf {
    let binaries = Binaries::find_or_fetch(&|message| eprintln!("{message}")).unwrap();
    let program = binaries.directory().join("psql");
    if program.is_file() {
        program
    } else {
        "psql".into()
    }
}

fn ask_with_psql(program: &Path, url: &str) -> Duration {
    let mut command = Command::new(program);
    command
        .arg(url)
        .args(["-XAtc", "select 1"])
        .stdout(Stdio::null());
    let started = Instant::now();
    assert!(command.status().unwrap().success());
    started.elapsed()
}

fn print(functions: Vec<Measured>, psql: [Vec<Duration>; 2]) {
    println!(
        "| | MB | without the database | waits | with a password | by psql | within TLS | by psql |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let peers = psql.map(Times::of);
    for function in functions {
        let size = fs::metadata(program(&function.name)).unwrap().len();
        let [password, tls] = function.answered.map(Times::of);
        println!(
            "| `{}` | {:.1} | {} | {} | {} | {:.2} | {} | {:.2} |",
            function.name,
            size as f64 / 1e6,
            Times::of(function.unrouted).show(),
            function.waits,
            password.show(),
            password.median / peers[0].median,
            tls.show(),
            tls.median / peers[1].median,
        );
    }
    let [password, tls] = peers.map(|times| times.show());
    println!("| `psql -c 'select 1'` | | | 1 | {password} | 1 | {tls} | 1 |");
}

/// The middle of times in milliseconds, with all but the shortest and the longest.
struct Times {
    median: f64,
    low: f64,
    high: f64,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |index: usize| times[index].as_secs_f64() * 1000.0;
        Self {
            median: at(ROUNDS / 2),
            low: at(1),
            high: at(ROUNDS - 2),
        }
    }

    fn show(&self) -> String {
        format!("{:.1} ({:.1}–{:.1})", self.median, self.low, self.high)
    }
}
