//! The folder of a developer's database and secrets, usually `.dev` in the checkout.
//!
//! It is used, and above all emptied, only when this program made it: then it holds the mark. Each command that uses
//! it holds a shared lock on the mark, so that nothing is removed under a running one.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::checkout::{self, shown};

const MARK: &str = ".usher";
const TEXT: &str =
    "This folder was made by `usher dev`. It holds a database for development and its secrets.\n";

/// A folder that this program made, and that nobody empties while this value exists.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    mark: File,
}

impl DataFolder {
    /// Returns the folder that was asked for, or else the one of the checkout.
    pub(crate) fn place(asked: Option<&Path>) -> Result<PathBuf> {
        match asked {
            Some(path) => Ok(std::path::absolute(path)?),
            None => Ok(checkout::root()?.join(".dev")),
        }
    }

    /// Opens a folder; one that is missing or empty is made ours, any other has to be it already.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = || format!("cannot use the folder {}", shown(path));
        fs::create_dir_all(path).with_context(failed)?;
        let mark = path.join(MARK);
        if !mark.is_file() {
            if fs::read_dir(path).with_context(failed)?.next().is_some() {
                bail!(
                    "{} was not made by usher and is not empty: choose another folder with --data-dir",
                    shown(path)
                );
            }
            fs::write(&mark, TEXT).with_context(failed)?;
            fs::write(path.join(".gitignore"), "*\n").with_context(failed)?;
        }
        let mark = File::open(&mark).with_context(failed)?;
        mark.lock_shared().with_context(failed)?;
        let path = path.to_path_buf();
        Ok(Self { path, mark })
    }

    /// Removes all that is in the folder but the mark, unless another command uses it.
    ///
    /// `remove_cluster` is called first when there is a cluster: its data may lie elsewhere.
    pub(crate) fn empty(&self, remove_cluster: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        self.mark.unlock()?;
        match self.mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another usher command uses {}: end it, then try again",
                shown(&self.path)
            ),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        if self.has_cluster() {
            remove_cluster(self)?;
        }
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if [MARK, ".gitignore"]
                .iter()
                .all(|kept| entry.file_name() != *kept)
            {
                remove(&entry.path())
                    .with_context(|| format!("cannot remove {}", shown(&entry.path())))?;
            }
        }
        self.mark.unlock()?;
        self.mark.lock_shared()?;
        Ok(())
    }

    /// Returns the folder of the cluster.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }

    /// Returns the file of the secrets.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.path.join("secrets.env")
    }

    /// Tells whether there is a cluster already.
    pub(crate) fn has_cluster(&self) -> bool {
        self.cluster().is_dir()
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    let removed = if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    /// A folder that is removed at the end of a test.
    struct Folder(PathBuf);

    impl Folder {
        fn create(name: &str) -> Self {
            let path = env::temp_dir().join(format!("usher-cli-{name}-{}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let folder = Folder::create("other");
        fs::write(folder.0.join("thesis"), "all of it").unwrap();
        let error = DataFolder::open(&folder.0).unwrap_err().to_string();
        assert!(error.contains("was not made by usher"), "{error}");
        assert!(folder.0.join("thesis").is_file());
    }

    #[test]
    fn a_folder_is_emptied_when_nobody_uses_it() {
        let folder = Folder::create("ours");
        let ours = DataFolder::open(&folder.0).unwrap();
        fs::write(ours.secrets(), "x").unwrap();
        fs::create_dir(ours.cluster()).unwrap();
        let other = DataFolder::open(&folder.0).unwrap();
        let error = ours.empty(|_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("another usher command"), "{error}");
        assert!(ours.secrets().is_file());
        drop(other);
        ours.empty(|ours| Ok(fs::remove_dir(ours.cluster())?))
            .unwrap();
        assert!(!ours.secrets().exists() && !ours.has_cluster());
        assert!(DataFolder::open(&folder.0).is_ok());
    }
}
