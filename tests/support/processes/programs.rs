//! The programs under test, built once for all tests.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{
    Client, Instance, Process,
    process::{free_address, run, settings, target},
};
use crate::repository;

/// Starts the function that serves all paths, as Vercel does it.
pub fn function(name: &str, database_url: &str) -> Instance {
    let program = built().join("usher-all");
    Instance::start(&program, name, &settings(database_url))
}

/// A whole API on a plain listener.
pub struct Plain {
    /// The process.
    pub process: Process,
    address: SocketAddr,
}

impl Plain {
    /// Starts `usher serve` with this environment.
    pub async fn start(name: &str, settings: &[(&str, String)]) -> Self {
        Self::start_at(free_address(), name, settings).await
    }

    /// Starts `usher serve` with this environment, at an address of this machine.
    pub async fn start_at(address: SocketAddr, name: &str, settings: &[(&str, String)]) -> Self {
        Self::start_with(address, name, settings, &[]).await
    }

    /// Starts `usher serve` with this environment and further arguments, at an address of this machine.
    pub async fn start_with(
        address: SocketAddr,
        name: &str,
        settings: &[(&str, String)],
        more: &[&str],
    ) -> Self {
        let mut command = Command::new(built().join("usher"));
        let port = address.port().to_string();
        command
            .args(["serve", "--host", "127.0.0.1", "--port", &port])
            .args(more)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start(&mut command, name);
        process.listens(address).await;
        Self { process, address }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns somebody who sends requests to it.
    pub fn client(&self) -> Client {
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
        run(&mut compile, "compile");
        target().join("debug")
    })
}
