//! Folders, locks and the end of a log.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

use crate::{Error, Result};

/// Creates a folder and those above it.
pub(crate) fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::file("create", folder))
}

/// Creates a folder that nobody else can enter, or returns false when one is there that somebody else controls.
pub(crate) fn create_private(folder: &Path, owners: &[u32]) -> Result<bool> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::file("create", folder)(error))
        }
        _ => {
            let found = fs::symlink_metadata(folder).map_err(Error::file("look at", folder))?;
            let is_closed = found.mode() & 0o777 == 0o700;
            Ok(found.is_dir() && is_closed && owners.contains(&found.uid()))
        }
    }
}

/// Removes a folder with all that is in it; one that is not there is fine.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::file("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Takes the lock of a file, and calls `waits` when somebody else has it. It ends with the returned value.
pub(crate) fn lock(path: &Path, waits: impl FnOnce()) -> Result<File> {
    if let Some(file) = try_lock(path)? {
        return Ok(file);
    }
    waits();
    let file = open(path)?;
    file.lock().map_err(Error::file("lock", path))?;
    Ok(file)
}

/// Takes the lock of a file when nobody else has it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::file("lock", path)(error)),
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::file("open", path))
}

/// Returns the last lines of a log, as much of them as fits a screen.
pub(crate) fn tail(log: &Path) -> String {
    read_tail(log).unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
}

fn read_tail(log: &Path) -> io::Result<String> {
    const LIMIT: u64 = 2000;
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LIMIT)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Returns a number that no other process is likely to draw.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Returns a number that stands for a name: FNV-1a, the same in every build.
pub(crate) fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
