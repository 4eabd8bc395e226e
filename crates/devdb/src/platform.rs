//! What only the operating system can do between fork and exec, and at the exit of a process.
#![expect(
    unsafe_code,
    reason = "code between fork and exec, and at exit, cannot be proved safe by the compiler"
)]

use std::{io, os::unix::process::CommandExt, process::Command};

/// Lets the command end with the thread that starts it, however that one ends, and, when asked, believe that it is the
/// given user and group.
///
/// The signal is the one for a fast and orderly shutdown.
pub(crate) fn end_with_parent(command: &mut Command, believes: Option<(u32, u32)>) {
    let parent = rustix::process::getpid();
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let maps = believes.map(|(user, group)| {
        (
            format!("{user} {} 1", own.0),
            format!("{group} {} 1", own.1),
        )
    });
    // SAFETY: the closure runs in the child between fork and exec. It makes system calls and neither allocates nor
    // takes a lock: the texts are made beforehand, and short paths are put on the stack by `OpenOptions`.
    unsafe {
        command.pre_exec(move || {
            if let Some((users, groups)) = &maps {
                enter_namespace(users, groups)?;
            }
            follow(parent)
        });
    }
}

#[cfg(target_os = "linux")]
fn enter_namespace(users: &str, groups: &str) -> io::Result<()> {
    use rustix::thread::{UnshareFlags, unshare_unsafe};

    // SAFETY: the child of a fork has one thread, and no table of file descriptors is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER)? };
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", users)?;
    write("/proc/self/gid_map", groups)
}

#[cfg(not(target_os = "linux"))]
fn enter_namespace(_users: &str, _groups: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn write(path: &str, text: &str) -> io::Result<()> {
    use std::{fs::OpenOptions, io::Write};

    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// Asks for the signal, and ends at once when the parent was faster.
#[cfg(target_os = "linux")]
fn follow(parent: rustix::process::Pid) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    set_parent_process_death_signal(Some(Signal::INT))?;
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// Other systems have no such signal: there a server outlives a parent that was killed, and the next start reuses it.
#[cfg(not(target_os = "linux"))]
fn follow(_parent: rustix::process::Pid) -> io::Result<()> {
    Ok(())
}

/// Calls the function when the process exits in an orderly way.
pub(crate) fn at_exit(function: extern "C" fn()) {
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: the declaration is that of the C library, which every program of these systems links. A full table of
    // functions only means that the function is not called.
    unsafe { atexit(function) };
}
