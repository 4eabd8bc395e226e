//! The client programs of Postgres: where `pg_dump`, `pg_restore` and `psql` are, and how they are told the database.
//!
//! They are told by variables, never by arguments: everybody on the machine can read the arguments of a process.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use usher_core::DatabaseUrl;

use crate::environment::{self, variable};

mod libpq;
mod running;

pub(crate) use running::Running;

/// Names the folder of the client programs; then no other is looked at.
const FOLDER: &str = "PG_BINDIR";
/// Names the folder of the server of `usher dev`, which often has them too.
const SERVER_FOLDER: &str = "USHER_POSTGRES";

/// What to do when there is none.
const ADVICE: &str = "install the client programs of PostgreSQL (`apt install postgresql-client`, `brew install libpq`), or \
                      set PG_BINDIR to their folder";

/// Folders of package managers with a folder for each version, in which the programs are in `bin`.
const PLACES: [&str; 5] = [
    "/usr/lib/postgresql",
    "/usr",
    "/opt/homebrew/opt",
    "/usr/local/opt",
    "/Applications/Postgres.app/Contents/Versions",
];

/// A client program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientTool {
    program: PathBuf,
    version: String,
    major: u32,
}

impl ClientTool {
    /// Finds a program whose major version is this one, or else the next newer one that there is.
    ///
    /// `reason` says why an older one will not do, such as `the server is PostgreSQL 17`.
    pub(crate) fn find(name: &str, least: u32, reason: &str) -> Result<Self> {
        Self::find_in(&places(), name, least, reason)
    }

    fn find_in(places: &[PathBuf], name: &str, least: u32, reason: &str) -> Result<Self> {
        let found: Vec<_> = places
            .iter()
            .filter_map(|place| Self::open(&place.join(name)))
            .collect();
        let enough = found.iter().filter(|tool| tool.major >= least);
        if let Some(best) = enough.min_by_key(|tool| tool.major) {
            return Ok(best.clone());
        }
        let Some(newest) = found.iter().max_by_key(|tool| tool.major) else {
            let where_to = match places {
                [only] => format!("not in {}", only.display()),
                _ => "neither in the PATH nor where package managers put it".to_owned(),
            };
            bail!("{name} is missing, {where_to}: {ADVICE}");
        };
        bail!(
            "{} is version {}, and {reason}: a {name} of version {least} or newer is needed; {ADVICE}",
            newest.program.display(),
            newest.version
        );
    }

    /// Asks a program for its version, which also shows that it runs here.
    fn open(program: &Path) -> Option<Self> {
        // Debian's stand-in in the PATH runs a program of a version of its own choice; the programs come after it.
        let real = program.canonicalize().ok()?;
        if !real.is_file() || real.file_name()? == "pg_wrapper" {
            return None;
        }
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (_, version) = text.split_once(") ")?;
        let version = version.split_whitespace().next()?;
        let is_digit = |letter: &char| letter.is_ascii_digit();
        let digits: String = version.chars().take_while(is_digit).collect();
        Some(Self {
            program: program.to_path_buf(),
            version: version.to_owned(),
            major: digits.parse().ok()?,
        })
    }

    /// Returns the version, such as `17.2`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Returns the major version, such as 17.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// Returns the program as a command without a database, in English whatever the language of the reader is.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("LC_ALL", "C");
        command
    }

    /// Returns the program as a command for a database; `options` are added to those of its sessions.
    pub(crate) fn command_for(&self, url: &DatabaseUrl, options: &str) -> Result<Command> {
        let mut command = Command::new(&self.program);
        for name in environment::names_of_libpq() {
            command.env_remove(name);
        }
        command.envs(libpq::variables(url, options));
        command.envs(libpq::tls(url, self.major)?);
        Ok(command)
    }
}

impl fmt::Display for ClientTool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.program.display(), self.version)
    }
}

/// Returns the folders to look in, in this order.
fn places() -> Vec<PathBuf> {
    if let Some(folder) = variable(FOLDER) {
        return vec![PathBuf::from(folder)];
    }
    let server = variable(SERVER_FOLDER).filter(|word| word != "npm");
    let path = variable("PATH").unwrap_or_default();
    let installed = PLACES.iter().flat_map(|place| installed(Path::new(place)));
    server
        .map(PathBuf::from)
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(installed)
        .collect()
}

/// Returns the folders of the versions that a package manager installed: `17/bin`, `pgsql-16/bin`, `libpq/bin`.
fn installed(place: &Path) -> Vec<PathBuf> {
    let is_version = |name: &str| {
        let rest = ["postgresql@", "pgsql-"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        name == "libpq"
            || rest
                .unwrap_or(name)
                .starts_with(|letter: char| letter.is_ascii_digit())
    };
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries
        .filter(|entry| is_version(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path().join("bin"))
        .collect()
}

#[cfg(test)]
mod tests;
