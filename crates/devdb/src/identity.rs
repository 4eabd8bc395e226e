//! Who the server runs as: Postgres refuses root, and refuses a user that has no name.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Binaries, Error, Result, files, platform};

/// The account `nobody` of most systems.
const NOBODY: u32 = 65534;

/// The way in which the programs of Postgres are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// As the user of this process.
    Own,
    /// As the user of this process, which believes that it is another account: files keep their owner.
    Namespace { user: u32, group: u32 },
    /// As another account, which root may become where namespaces are forbidden.
    Switch { user: u32, group: u32 },
}

/// Returns whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Identity {
    /// Returns the first way that works on this machine.
    pub(crate) fn choose(binaries: &Binaries) -> Self {
        if !is_root() && has_a_name(rustix::process::geteuid().as_raw()) {
            return Self::Own;
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let named = account(&accounts, "postgres").or_else(|| account(&accounts, "nobody"));
        let (user, group) = named.unwrap_or((NOBODY, NOBODY));
        let namespace = Self::Namespace { user, group };
        if namespace.runs(binaries) {
            namespace
        } else if is_root() {
            Self::Switch { user, group }
        } else {
            Self::Own
        }
    }

    /// Returns a command that runs with this identity and ends with the thread that starts it.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .env("LC_ALL", "C")
            .current_dir("/");
        match self {
            Self::Own => platform::end_with_parent(&mut command, None),
            Self::Namespace { user, group } => {
                platform::end_with_parent(&mut command, Some((user, group)));
            }
            Self::Switch { user, group } => {
                command.uid(user).gid(group);
                platform::end_with_parent(&mut command, None);
            }
        }
        command
    }

    /// Returns the folder to use when `folder` is asked for: another account cannot reach into a closed home.
    pub(crate) fn place(self, folder: &Path) -> Result<PathBuf> {
        files::create(folder)?;
        let folder = folder.canonicalize().map_err(Error::file("find", folder))?;
        if self.reaches(&folder) {
            self.give(&folder)?;
            return Ok(folder);
        }
        let elsewhere = PathBuf::from(format!(
            "/var/tmp/usher-{:016x}",
            files::hash(folder.as_os_str().as_encoded_bytes())
        ));
        if !files::create_private(&elsewhere, &self.owners())? {
            return Err(Error::File {
                action: "use",
                path: elsewhere,
                source: io::ErrorKind::PermissionDenied.into(),
            });
        }
        self.give(&elsewhere)?;
        Ok(elsewhere)
    }

    /// Returns whether the server can get to a path: this user can, another account not through a closed folder.
    pub(crate) fn reaches(self, path: &Path) -> bool {
        let Self::Switch { user, .. } = self else {
            return true;
        };
        path.ancestors().skip(1).all(|above| {
            fs::metadata(above).is_ok_and(|found| found.mode() & 0o001 != 0 || found.uid() == user)
        })
    }

    /// Makes the account of the server the owner of a file or folder.
    pub(crate) fn give(self, path: &Path) -> Result<()> {
        match self {
            Self::Switch { user, group } => {
                chown(path, Some(user), Some(group)).map_err(Error::file("hand over", path))
            }
            Self::Own | Self::Namespace { .. } => Ok(()),
        }
    }

    /// Returns the accounts whose folders can be trusted.
    pub(crate) fn owners(self) -> Vec<u32> {
        let own = rustix::process::geteuid().as_raw();
        match self {
            Self::Switch { user, .. } => vec![own, user],
            Self::Own | Self::Namespace { .. } => vec![own],
        }
    }

    fn runs(self, binaries: &Binaries) -> bool {
        let mut command = self.command(&binaries.program("postgres"));
        let output = command.arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    }
}

/// Returns whether the user has an account; a directory service may know more of them than the file.
fn has_a_name(user: u32) -> bool {
    let status = Command::new("id")
        .args(["-n", "-u", &user.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // Without the program it is the server that finds out.
    status.map_or(true, |status| status.success())
}

/// Reads the user and the group of an account.
fn account(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some((user, group))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104::/var/lib/postgresql:/bin/sh\n";
        assert_eq!(account(accounts, "postgres"), Some((101, 104)));
        assert_eq!(account(accounts, "nobody"), None);
    }
}
