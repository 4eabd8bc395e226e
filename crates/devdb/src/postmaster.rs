//! The file `postmaster.pid` of a data folder: which server uses the folder, if any.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{Error, Result};

/// The longest that a server may take to get ready or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the file says about the server that wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Postmaster {
    /// The process of the server.
    pub(crate) process: u32,
    /// The folder of its socket.
    pub(crate) socket: PathBuf,
    /// Whether it takes connections.
    pub(crate) is_ready: bool,
}

impl Postmaster {
    /// Reads the file of a data folder; a server that is still writing it has none yet.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(file(data)).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        Some(Self {
            process: lines.first()?.parse().ok()?,
            socket: PathBuf::from(lines.get(4)?),
            is_ready: lines.get(7).is_some_and(|status| *status == "ready"),
        })
    }

    /// Returns whether the process is alive and a server of this folder.
    fn is_alive(&self, data: &Path) -> bool {
        let process = PathBuf::from(format!("/proc/{}", self.process));
        match fs::read_to_string(process.join("stat")) {
            Ok(stat) => {
                // A process that nobody reaped keeps its number, and a number may be given to another program.
                let is_server = stat.contains("(postgres)") && !stat.contains(") Z ");
                is_server
                    && fs::read_link(process.join("cwd")).map_or(true, |folder| folder == data)
            }
            Err(_) if Path::new("/proc/self/stat").exists() => false,
            Err(_) => i32::try_from(self.process)
                .ok()
                .and_then(Pid::from_raw)
                .is_some_and(|process| test_kill_process(process).is_ok()),
        }
    }

    /// Tells the server to end, and gives it a moment.
    pub(crate) fn stop(&self) {
        let process = i32::try_from(self.process).ok().and_then(Pid::from_raw);
        let _ = process.map(|process| kill_process(process, Signal::INT));
        thread::sleep(Duration::from_millis(50));
    }

    fn answers(&self) -> bool {
        self.is_ready && UnixStream::connect(self.socket.join(".s.PGSQL.5432")).is_ok()
    }
}

/// Returns the server that runs on a data folder, or `None` after making sure that none does.
///
/// A server that is starting or stopping is waited for; a file that a dead server left behind is removed, since
/// Postgres would take a dead process that nobody reaped for a live one.
pub(crate) fn running(data: &Path) -> Result<Option<Postmaster>> {
    let give_up = Instant::now() + PATIENCE;
    while let Some(found) = Postmaster::read(data) {
        if !found.is_alive(data) {
            break;
        }
        if found.answers() {
            return Ok(Some(found));
        }
        if Instant::now() > give_up {
            return Err(Error::Unresponsive {
                process: found.process,
                folder: data.to_path_buf(),
            });
        }
        thread::sleep(Duration::from_millis(10));
    }
    match fs::remove_file(file(data)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", file(data))(error))
        }
        _ => Ok(None),
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_ready_server_is_understood() {
        let text = "42\n/data\n1700000000\n5432\n/tmp/socket\n\n  1 2\nready   \n";
        let found = Postmaster::parse(text).unwrap();
        assert_eq!(
            found,
            Postmaster {
                process: 42,
                socket: "/tmp/socket".into(),
                is_ready: true
            }
        );
    }

    #[test]
    fn a_file_that_is_half_written_is_none() {
        assert_eq!(Postmaster::parse("42\n/data\n"), None);
    }
}
