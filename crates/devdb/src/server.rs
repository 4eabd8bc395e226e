//! The process of a server, held by a thread of its own.
//!
//! The signal that ends the server with its parent is tied to the thread that started it. So one thread starts it,
//! lives as long as it does, and is the only one that waits for it: its number cannot be taken by another process
//! while somebody wants to signal it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Result, files, postmaster::Postmaster};

const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running server, which is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    socket: PathBuf,
}

impl Server {
    /// Starts the command and returns when the server takes connections.
    pub(crate) fn start(command: Command, folder: &Path, socket: PathBuf) -> Result<Self> {
        let (data, log) = (folder.join("data"), folder.join("server.log"));
        let (stop, stopped) = channel();
        let (answer, answered) = channel();
        let thread = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || hold(command, &data, &log, &answer, &stopped))
            .map_err(Error::file("start the thread of", "postgres"))?;
        let server = Self {
            stop: Some(stop),
            thread: Some(thread),
            socket,
        };
        answered.recv().unwrap_or(Err(Error::Stopping))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // The server removed what it had put there.
        let _ = fs::remove_dir(&self.socket);
    }
}

fn hold(
    command: Command,
    data: &Path,
    log: &Path,
    answer: &Sender<Result<()>>,
    stopped: &Receiver<()>,
) {
    match launch(command, data, log) {
        Ok(child) => {
            let _ = answer.send(Ok(()));
            // Returns when the other end is dropped.
            let _ = stopped.recv();
            end(child);
        }
        Err(error) => {
            let _ = answer.send(Err(error));
        }
    }
}

fn launch(mut command: Command, data: &Path, log: &Path) -> Result<Child> {
    let mut child = command
        .spawn()
        .map_err(Error::file("run", command.get_program()))?;
    let started = Instant::now();
    loop {
        if Postmaster::read(data).is_some_and(|found| found.is_ready && found.process == child.id())
        {
            return Ok(child);
        }
        let reason = match child.try_wait() {
            Ok(Some(status)) => format!("it ended with {status}"),
            Err(error) => format!("it cannot be watched: {error}"),
            Ok(None) if started.elapsed() > START_LIMIT => "it was not ready after 60 s".to_owned(),
            Ok(None) => {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
        };
        end(child);
        return Err(Error::Start {
            reason,
            log: log.to_path_buf(),
            tail: files::tail(log),
        });
    }
}

/// Ends the server in order, or at least at once when it does not.
fn end(mut child: Child) {
    for signal in [Signal::INT, Signal::QUIT] {
        if let Some(process) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
            && matches!(child.try_wait(), Ok(None))
        {
            let _ = kill_process(process, signal);
        }
        let started = Instant::now();
        while started.elapsed() < STOP_LIMIT {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}
