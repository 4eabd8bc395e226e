//! The programs under test, built once for all tests.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use usher_tests::{
    processes::{
        Client, Instance, Process,
        process::{free_address, run, settings, target},
    },
    repository,
};

/// Starts the function that serves all paths, as Vercel does it.
pub(crate) fn function(name: &str, database_url: &str) -> Instance {
    let program = built().join("usher-all");
    Instance::start(&program, name, &settings(database_url))
}

/// A whole API on a plain listener.
pub(crate) struct Plain {
    pub(crate) process: Process,
    address: SocketAddr,
}

impl Plain {
    /// Starts `usher serve`.
    pub(crate) async fn start(name: &str, database_url: &str) -> Self {
        let address = free_address();
        let mut command = Command::new(built().join("usher"));
        let port = address.port().to_string();
        command
            .args(["serve", "--host", "127.0.0.1", "--port", &port])
            .env_clear()
            .envs(settings(database_url));
        let mut process = Process::start(&mut command, name);
        process.listens(address).await;
        Self { process, address }
    }

    /// Returns somebody who sends requests to it.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, "")
    }
}

/// Returns the folder of the programs.
fn built() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        eprintln!("building the programs under test");
        let mut compile = Command::new("cargo");
        compile
            .args(["build", "--locked", "--bins"])
            .args(["-p", "usher-function", "-p", "usher-cli"])
            .current_dir(repository())
            .env("CARGO_TARGET_DIR", target());
        run(&mut compile, "lifecycle-compile");
        target().join("debug")
    })
}
