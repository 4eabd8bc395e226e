//! One running function, started and watched as the platform does it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::net::UnixListener,
    path::Path,
    process::Command,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::process::{Process, free_address};

/// A function whose program runs.
pub(crate) struct Instance {
    process: Process,
    address: SocketAddr,
    messages: Receiver<Value>,
    requests: u64,
}

impl Instance {
    /// Starts the program of a function, and waits until it says that it is ready.
    pub(crate) fn start(
        executable: &Path,
        name: &str,
        settings: &[(&'static str, String)],
    ) -> Self {
        let address = free_address();
        // The path of a socket is short, so not below the target folder.
        let socket =
            std::env::temp_dir().join(format!("usher-{}-{}", std::process::id(), address.port()));
        let listener = UnixListener::bind(&socket).unwrap();
        let mut command = Command::new(executable);
        command
            .env_clear()
            .env("VERCEL", "1")
            .env("VERCEL_DEV_PORT", address.port().to_string())
            .env("VERCEL_IPC_PATH", &socket)
            .envs(settings.iter().map(|(name, value)| (name, value)));
        let process = Process::start(&mut command, &name.replace('/', "-"));
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            for message in BufReader::new(stream).split(0) {
                let Ok(message) = message else { break };
                let _ = sender.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let started: Value = messages
            .recv_timeout(Duration::from_secs(10))
            .unwrap_or_else(|_| panic!("{name} does not start:\n{}", process.printed()));
        std::fs::remove_file(&socket).unwrap();
        assert_eq!(started["type"], "server-started");
        Self {
            process,
            address,
            messages,
            requests: 0,
        }
    }

    /// Returns where a request is sent, and its number.
    pub(crate) fn next_request(&mut self) -> (SocketAddr, u64) {
        self.requests += 1;
        (self.address, self.requests)
    }

    /// Stops the program, which is to have reported the end of every request, once.
    pub(crate) fn stop(self) {
        let printed = self.process.printed();
        let status = self.process.stop();
        assert!(status.success(), "{status}:\n{printed}");
        let mut ended: Vec<u64> = self
            .messages
            .iter()
            .map(|message| {
                assert_eq!(message["type"], "end", "{message}");
                message["payload"]["context"]["requestId"].as_u64().unwrap()
            })
            .collect();
        ended.sort_unstable();
        assert_eq!(ended, (1..=self.requests).collect::<Vec<_>>(), "{printed}");
    }
}
