//! How many people sign in or are created in a second by `usher serve`, of how many passwords all processors could hash,
//! and what that does to somebody who only reads.

use std::{
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use argon2::{Argon2, Block, Params};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use usher_tests::{
    PASSWORD, Person, connect,
    processes::{Process, process::free_address},
};

use crate::{
    caller::{Caller, request},
    cost::{parent, processor_time, processor_time_of_all},
    stage::{Stage, Way, person, program},
};

const ROUNDS: usize = 7;
const PHASE: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 10;
/// By how much the server lowers the priority of a thread that hashes.
const NICENESS: i32 = 10;
/// Between two requests of somebody who reads.
const PAUSE: Duration = Duration::from_millis(2);

/// Makes every address one that nobody has.
static CREATED: AtomicUsize = AtomicUsize::new(0);

/// What hashes passwords.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    SignIn,
    Create,
}

/// What was done in a phase.
struct Done {
    in_a_second: f64,
    /// Milliseconds of the processors for one, by the program alone.
    processor: f64,
    /// The same by the database.
    database: f64,
}

pub(crate) async fn run() {
    let stage = Stage::set().await;
    stage.fill().await;
    let (process, address) = serve(&stage).await;
    let database = postmaster(&stage).await;
    let measured = Measured {
        stage,
        server: process.id(),
        database,
        address,
    };
    let (mut raw, mut sign_in, mut create) = (Vec::new(), Vec::new(), Vec::new());
    let mut waited = [Vec::new(), Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        raw.push(tokio::task::spawn_blocking(hash).await.unwrap());
        sign_in.push(measured.busy(Kind::SignIn).await);
        create.push(measured.busy(Kind::Create).await);
        waited[0].extend(measured.read().await);
        waited[1].extend(measured.read_beside(Kind::SignIn).await);
        waited[2].extend(measured.read_beside(Kind::Create).await);
    }
    print(&raw, [("a sign-in", sign_in), ("a new user", create)]);
    print_waits(waited);
}

/// A running server, and who asks it.
struct Measured {
    stage: Stage,
    server: u32,
    database: u32,
    address: SocketAddr,
}

impl Measured {
    /// Lets ten people hash passwords.
    async fn busy(&self, kind: Kind) -> Done {
        let spent = || {
            (
                processor_time(self.server),
                processor_time_of_all(self.database),
            )
        };
        let (before, started) = (spent(), Instant::now());
        let done: usize = self.people(kind).join_all().await.into_iter().sum();
        let (elapsed, after) = (started.elapsed(), spent());
        Done {
            in_a_second: done as f64 / elapsed.as_secs_f64(),
            processor: (after.0 - before.0) / done as f64,
            database: (after.1 - before.1) / done as f64,
        }
    }

    /// Lets one person read while ten hash passwords, and returns how long each answer took.
    async fn read_beside(&self, kind: Kind) -> Vec<Duration> {
        let people = self.people(kind);
        let times = self.read().await;
        people.join_all().await;
        times
    }

    fn people(&self, kind: Kind) -> JoinSet<usize> {
        let mut people = JoinSet::new();
        for number in 1..=CONNECTIONS {
            let admin = self.stage.token(Person::Admin);
            people.spawn(hash_by_request(self.address, kind, admin, number));
        }
        people
    }

    /// Lets one person read for a while, and returns how long each answer took.
    async fn read(&self) -> Vec<Duration> {
        let token = self.stage.token(Person::Member);
        let (mut caller, until) = (Caller::connect(self.address).await, Instant::now() + PHASE);
        let mut times = Vec::new();
        while Instant::now() < until {
            let started = Instant::now();
            caller
                .send(request("GET", "/api/me", &token, &Value::Null))
                .await;
            times.push(started.elapsed());
            // Somebody who read all the time would take a processor.
            tokio::time::sleep(PAUSE).await;
        }
        times
    }
}

async fn hash_by_request(address: SocketAddr, kind: Kind, admin: String, number: usize) -> usize {
    let (mut caller, until) = (Caller::connect(address).await, Instant::now() + PHASE);
    let mut done = 0;
    while Instant::now() < until {
        let request = match kind {
            Kind::SignIn => request("POST", "/api/auth/login", "", &person(number)),
            Kind::Create => {
                let created = CREATED.fetch_add(1, Ordering::Relaxed);
                let email = format!("new{created}@example.org");
                let new = json!({ "name": "Somebody", "email": email, "password": PASSWORD });
                request("POST", "/api/users", &admin, &new)
            }
        };
        caller.send(request).await;
        done += 1;
    }
    done
}

/// Hashes on all processors, with memory that is used again, and at the priority that the server hashes with.
fn hash() -> Done {
    let processors = thread::available_parallelism().unwrap().get();
    let own = std::process::id();
    let (before, started) = (processor_time(own), Instant::now());
    let done: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(hash_alone)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    let spent = processor_time(own) - before;
    Done {
        in_a_second: done as f64 / started.elapsed().as_secs_f64(),
        processor: spent / done as f64,
        database: 0.0,
    }
}

fn hash_alone() -> usize {
    rustix::process::nice(NICENESS).unwrap();
    let argon2 = Argon2::default();
    let mut memory = vec![Block::default(); Params::DEFAULT.block_count()];
    let (mut output, mut done) = ([0; 32], 0);
    let until = Instant::now() + PHASE;
    while Instant::now() < until {
        let (password, salt) = (PASSWORD.as_bytes(), b"a salt of 16 byte");
        let hashed =
            argon2.hash_password_into_with_memory(password, salt, &mut output, &mut memory);
        hashed.unwrap();
        done += 1;
    }
    done
}

async fn serve(stage: &Stage) -> (Process, SocketAddr) {
    let address = free_address();
    let mut command = Command::new(program("usher"));
    command
        .args(["serve", "--port", &address.port().to_string()])
        .env_clear()
        .envs(stage.settings(Way::Password));
    let mut process = Process::start(&mut command, "bench-serve");
    process.listens(address).await;
    (process, address)
}

/// Returns the process whose children serve the connections of the database.
async fn postmaster(stage: &Stage) -> u32 {
    let client = connect(stage.database.url()).await;
    let row = client.query_one("select pg_backend_pid()", &[]).await;
    let backend: i32 = row.unwrap().get(0);
    parent(backend.unsigned_abs()).unwrap()
}

fn print(raw: &[Done], requests: [(&str, Vec<Done>); 2]) {
    println!("| | in a second | ratio | processor | ratio | database |");
    println!("|---|---|---|---|---|---|");
    let (rate, processor) = (
        median(raw.iter().map(|done| done.in_a_second)),
        median(raw.iter().map(|done| done.processor)),
    );
    println!("| the hash alone | {rate:.1} | 1 | {processor:.1} ms | 1 | |");
    for (what, done) in requests {
        // In turns, so that each round has the same neighbours on the machine.
        let ratios = done.iter().zip(raw);
        println!(
            "| {what} | {:.1} | {:.2} | {:.1} ms | {:.2} | {:.1} ms |",
            median(done.iter().map(|done| done.in_a_second)),
            median(ratios.map(|(done, raw)| done.in_a_second / raw.in_a_second)),
            median(done.iter().map(|done| done.processor)),
            median(done.iter().map(|done| done.processor)) / processor,
            median(done.iter().map(|done| done.database)),
        );
    }
}

fn print_waits(waited: [Vec<Duration>; 3]) {
    println!("\n| `GET /api/me` | median | p99 | ratio |\n|---|---|---|---|");
    let mut alone = None;
    for (what, mut times) in ["alone", "beside sign-ins", "beside new users"]
        .into_iter()
        .zip(waited)
    {
        times.sort();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
        let alone = *alone.get_or_insert(at(99));
        println!(
            "| {what} | {:.2} ms | {:.2} ms | {:.2} |",
            at(50),
            at(99),
            at(99) / alone
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
