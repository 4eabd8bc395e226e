//! Programs that run beside a test and end with it.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use usher_core::{secret::Secret, tokens::SigningKeys};

use crate::CRON_SECRET;

/// A cold compile on a small machine fits in; a hang does not stop the run for ever.
const PATIENCE: Duration = Duration::from_mins(10);

/// How the names of the variables begin that `cargo test` sets for a test.
const TOLD_BY_CARGO: [&str; 5] = [
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_",
];

/// A running program. Dropping it kills it.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes to a file of that name.
    pub fn start(command: &mut Command, name: &str) -> Self {
        // What `cargo test` tells this program would make another cargo compile again.
        let told = std::env::vars_os().map(|(name, _)| name);
        for name in told.filter(|name| {
            TOLD_BY_CARGO
                .iter()
                .any(|start| name.to_string_lossy().starts_with(start))
        }) {
            command.env_remove(name);
        }
        let (output, log) = log(name);
        let errors = output.try_clone().unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, log }
    }

    /// Waits until something listens on an address.
    pub async fn listens(&mut self, address: SocketAddr) {
        let start = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            let is_over = self.child.try_wait().unwrap().is_some() || start.elapsed() > PATIENCE;
            assert!(
                !is_over,
                "nothing listens on {address}:\n{}",
                self.printed()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Tells the program to stop, and waits until it has.
    pub fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits until the program has ended.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Returns what the program has printed.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Limits that count as always, and are not reached by what comes from one address all day.
pub const LIMITS: &str = "login-address=1000000/1,refresh-address=1000000/1,register-address=1000000/1,mail-address=1000000/1,\
    secret-address=1000000/1,everybody=1000000/1,mail-recipient=1000000/1,login-pair=100,login-account=100,password=100,code=100";

/// Returns the environment of an instance on a database.
pub fn settings(database_url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("DATABASE_URL", database_url.to_owned()),
        ("USHER_SIGNING_KEYS", SigningKeys::generate().unwrap()),
        ("USHER_SECRET", Secret::generate().unwrap()),
        ("USHER_ISSUER", "https://id.example.com".to_owned()),
        ("CRON_SECRET", CRON_SECRET.to_owned()),
        ("USHER_SIGN_UP", "open".to_owned()),
        ("USHER_MAIL_SIGN_IN", "on".to_owned()),
        ("USHER_LIMITS", LIMITS.to_owned()),
    ]
}

/// Runs a program to its end, which is to be a success.
pub fn run(command: &mut Command, name: &str) {
    let mut process = Process::start(command, name);
    let status = process.child.wait().unwrap();
    assert!(
        status.success(),
        "{command:?} ended with {status}:\n{}",
        process.printed()
    );
}

/// Returns an address of this machine that nobody listens on.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Returns the folder for what these tests leave behind: below the target folder that this program was built into.
pub fn scratch() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    let scratch = target.join("processes");
    fs::create_dir_all(&scratch).unwrap();
    scratch
}

/// Returns the target folder.
pub fn target() -> PathBuf {
    scratch().parent().map(Path::to_owned).unwrap()
}

fn log(name: &str) -> (File, PathBuf) {
    let path = scratch().join(format!("{name}.log"));
    (File::create(&path).unwrap(), path)
}
