//! A client program at work: what it complains of is kept, and it ends with the command that started it.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::output::tell;

/// How often is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// When it is first told how far it is; after that each time it has taken half as long again.
const FIRST_NEWS: Duration = Duration::from_secs(1);

/// A program that was started. Dropping this kills it, unless it has ended.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    complaints: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts the command.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().display().to_string();
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let complaints = child.stderr.take().map(|mut pipe| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).trim().to_owned()
            })
        });
        Ok(Self {
            name,
            child,
            complaints,
        })
    }

    /// Waits for its end, and tells now and then what `news` says. It has to end well; what it complained of is told.
    pub(crate) async fn end(mut self, news: impl Fn() -> String) -> Result<()> {
        let started = Instant::now();
        let mut next = FIRST_NEWS;
        let status = loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a program")? {
                break status;
            }
            if started.elapsed() > next {
                tell(&format!(
                    "  {} after {} s",
                    news(),
                    started.elapsed().as_secs()
                ));
                next += (started.elapsed() / 2).max(FIRST_NEWS);
            }
            tokio::time::sleep(PAUSE).await;
        };
        let complaints = self.complaints.take().map(JoinHandle::join);
        let complaints = complaints.and_then(Result::ok).unwrap_or_default();
        if !status.success() {
            bail!("{} ended with {status}; it said:\n{complaints}", self.name);
        }
        if !complaints.is_empty() {
            tell(&complaints);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
