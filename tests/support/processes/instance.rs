//! One running function, started and watched as the platform does it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::net::UnixListener,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use super::{
    Client,
    process::{Process, free_address},
};

/// The longest that the end of a request may be reported after its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A function whose program runs.
pub struct Instance {
    process: Process,
    address: SocketAddr,
    messages: Receiver<Value>,
    requests: Arc<AtomicU64>,
    /// The requests whose end was reported.
    ended: Vec<u64>,
}

impl Instance {
    /// Starts the program of a function, and waits until it says that it is ready.
    pub fn start(executable: &Path, name: &str, settings: &[(&'static str, String)]) -> Self {
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
            requests: Arc::default(),
            ended: Vec::new(),
        }
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns somebody whose requests the platform passes on to this function.
    pub fn client(&self) -> Client {
        Client::of_platform(self.address, Arc::clone(&self.requests))
    }

    /// Returns where a request is sent, and its number.
    pub fn next_request(&self) -> (SocketAddr, u64) {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        (self.address, before + 1)
    }

    /// Waits until the end of a request is reported, and returns its number.
    pub fn next_end(&mut self) -> u64 {
        let message = self.messages.recv_timeout(PATIENCE);
        let number = number(&message.unwrap_or_else(|_| panic!("no end:\n{}", self.printed())));
        self.ended.push(number);
        number
    }

    /// Freezes the process, as the platform does it once every request has ended.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets the process go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Tells the process to stop.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Returns what the program has printed.
    pub fn printed(&self) -> String {
        self.process.printed()
    }

    /// Stops the program, which is to have reported the end of every request, once.
    pub fn stop(self) {
        self.terminate();
        self.has_ended();
    }

    /// Waits for the program to end, which is to have reported the end of every request, once.
    pub fn has_ended(mut self) {
        let printed = self.printed();
        let status = self.process.ended();
        assert!(status.success(), "{status}:\n{printed}");
        self.ended
            .extend(self.messages.iter().map(|message| number(&message)));
        self.ended.sort_unstable();
        let requests = self.requests.load(Ordering::Relaxed);
        assert_eq!(self.ended, (1..=requests).collect::<Vec<_>>(), "{printed}");
    }
}

/// Returns the number of the request whose end a message reports.
fn number(message: &Value) -> u64 {
    assert_eq!(message["type"], "end", "{message}");
    message["payload"]["context"]["requestId"].as_u64().unwrap()
}
