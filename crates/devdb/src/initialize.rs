//! Makes the data folder of a new cluster.

use std::{fs, path::Path};

use crate::{Binaries, Error, Result, files, identity::Identity};

/// Makes the data folder when there is none, and checks that the server can use the one that is there.
pub(crate) fn initialize(
    binaries: &Binaries,
    identity: Identity,
    folder: &Path,
    is_durable: bool,
) -> Result<()> {
    let data = folder.join("data");
    if let Ok(made_by) = fs::read_to_string(data.join("PG_VERSION")) {
        return check(binaries, folder, made_by.trim());
    }
    // A sibling, renamed when complete: an interrupted initdb leaves nothing that looks like a cluster.
    let partial = folder.join("data.partial");
    files::remove(&partial)?;
    let mut command = identity.command(&binaries.program("initdb"));
    command
        .args([
            "--username=postgres",
            "--encoding=UTF8",
            "--no-instructions",
        ])
        .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
        .args(LOCALE);
    if !is_durable {
        // Small files of the log: the folder takes 25 MB instead of 40.
        command.args(["--no-sync", "--wal-segsize=1"]);
    }
    let program = binaries.program("initdb");
    let output = command
        .arg("--pgdata")
        .arg(&partial)
        .output()
        .map_err(Error::file("run", program))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let output = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(Error::Initialize {
            folder: folder.to_path_buf(),
            output,
        });
    }
    fs::rename(&partial, &data).map_err(Error::file("move the new cluster to", &data))
}

/// Code points decide the order, as on most hosted servers, and letters beyond ASCII are letters: with the plain `C`
/// locale `lower('É')` does nothing and a search by trigrams does not see them.
#[cfg(not(target_os = "macos"))]
const LOCALE: [&str; 1] = ["--locale=C.UTF-8"];
/// The same by the names that macOS has for it.
#[cfg(target_os = "macos")]
const LOCALE: [&str; 2] = ["--locale=C", "--lc-ctype=en_US.UTF-8"];

fn check(binaries: &Binaries, folder: &Path, made_by: &str) -> Result<()> {
    if made_by == binaries.major().to_string() {
        return Ok(());
    }
    Err(Error::OtherVersion {
        folder: folder.to_path_buf(),
        made_by: made_by.to_owned(),
        found: binaries.major(),
    })
}
