//! Processes that are looked up and killed.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal to a process, which may have ended by itself.
pub(crate) fn signal(process: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(process).unwrap(), signal);
}

/// Returns the state and the parent of a process.
fn look_up(process: i32) -> Option<(String, i32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

/// Tells whether a process is alive. One that nobody reaped yet is dead.
pub(crate) fn is_alive(process: i32) -> bool {
    look_up(process).is_some_and(|(state, _)| state != "Z")
}

/// Returns the processes that a process has started.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes
        .filter(|&process| look_up(process).is_some_and(|(_, of)| of == parent))
        .collect()
}
