//! `usher serve` as a process of its own.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use super::processes::Spent;
use crate::{output::tell, secrets};

/// The longest that the server may take to get ready.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Limits that count as always, and are not reached.
const LIMITS: &str = "login-address=1000000/1,refresh-address=1000000/1,everybody=1000000/1";

/// A running server, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    place: SocketAddr,
}

impl Server {
    /// Starts this very program as a server, with nothing in its environment but what is said here; `log` is `USHER_LOG`.
    pub(super) async fn start(database: &str, values: &[String; 2], log: &str) -> Result<Self> {
        let program =
            env::current_exe().context("cannot find this program to start it as a server")?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--port", "0"])
            .env_clear()
            .env("DATABASE_URL", database)
            .env("USHER_ALLOW_PLAINTEXT_DATABASE", "true")
            .env("USHER_ISSUER", "http://127.0.0.1")
            .env("USHER_LOG", log)
            // All that is measured comes from one address.
            .env("USHER_LIMITS", LIMITS)
            .envs(secrets::NAMES.into_iter().zip(values))
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start the server")?;
        let errors = child.stderr.take();
        let mut server = Self {
            child,
            place: SocketAddr::from(([0; 4], 0)),
        };
        let (ready, place) = oneshot::channel();
        thread::spawn(move || {
            let mut ready = Some(ready);
            for line in errors
                .map(BufReader::new)
                .into_iter()
                .flat_map(BufRead::lines)
                .map_while(Result::ok)
            {
                let found = line
                    .split_once("listening on http://")
                    .and_then(|(_, place)| place.parse().ok());
                match (found, ready.take()) {
                    (Some(place), Some(ready)) => drop(ready.send(place)),
                    (_, waiting) => {
                        tell(&format!("  the server says: {line}"));
                        ready = waiting;
                    }
                }
            }
        });
        let place = tokio::time::timeout(START_LIMIT, place).await;
        server.place = place
            .context("the server was not ready after 30 s")?
            .context("the server ended at once")?;
        Ok(server)
    }

    pub(super) fn place(&self) -> SocketAddr {
        self.place
    }

    /// Returns what it spent so far.
    pub(super) fn spent(&self) -> Option<Spent> {
        Spent::of_server(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
