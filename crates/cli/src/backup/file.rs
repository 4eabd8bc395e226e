//! The files of a backup: for the eyes of their owner only, and under their name only when they are complete.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result, anyhow, bail};
use ring::digest;
use time::{OffsetDateTime, macros::format_description};

use super::manifest::FileSum;
use crate::checkout::shown;

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// A file that does not have its name yet. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Draft {
    place: PathBuf,
    name: PathBuf,
}

impl Draft {
    /// Makes an empty file beside the place where it is to be.
    pub(super) fn create(name: &Path) -> Result<Self> {
        let mut place = name.as_os_str().to_owned();
        place.push(format!(".{}.part", process::id()));
        let draft = Self {
            place: PathBuf::from(place),
            name: name.to_path_buf(),
        };
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft.place);
        match made {
            Ok(_) => Ok(draft),
            Err(error) => {
                let failed = anyhow!("cannot write to {}: {error}", shown(&draft.place));
                // It is not ours.
                std::mem::forget(draft);
                Err(failed)
            }
        }
    }

    /// Returns where it is so far.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Returns how large it is so far.
    pub(super) fn size(&self) -> u64 {
        fs::metadata(&self.place).map_or(0, |found| found.len())
    }

    /// Writes the whole of it.
    pub(super) fn fill(&self, text: &str) -> Result<()> {
        let write = || {
            let mut file = OpenOptions::new().write(true).open(&self.place)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write to {}", shown(&self.place)))
    }

    /// Gives it its name; a file that has the name already is replaced only when that is wanted.
    pub(super) fn finish(self, replaces: bool) -> Result<()> {
        if !replaces {
            refuse_existing(&self.name)?;
        }
        fs::rename(&self.place, &self.name)
            .with_context(|| format!("cannot make {}", shown(&self.name)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.place);
    }
}

/// Refuses a name that a file has already.
pub(super) fn refuse_existing(name: &Path) -> Result<()> {
    match fs::symlink_metadata(name) {
        Ok(_) => bail!(
            "{} exists already: choose another name, or use --force to replace it",
            shown(name)
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot look for {}", shown(name))),
    }
}

/// Returns the name of a dump that was asked for; a folder, or nothing, gets one after the database and the time.
pub(super) fn name(asked: Option<&Path>, database: &str, now: OffsetDateTime) -> Result<PathBuf> {
    let folder = match asked {
        Some(path) if path.is_dir() => path,
        Some(path) => return Ok(path.to_path_buf()),
        None => Path::new(""),
    };
    let time = now.format(format_description!(
        "[year][month][day]T[hour][minute][second]Z"
    ))?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let database: String = database
        .chars()
        .map(|letter| if is_plain(letter) { letter } else { '_' })
        .collect();
    Ok(folder.join(format!("usher-{database}-{time}.dump")))
}

/// Reads a whole file, for what tells it from every other one; `name` is what it is called.
pub(super) fn sum(place: &Path, name: &Path) -> Result<FileSum> {
    let failed = || format!("cannot read {}", shown(place));
    let mut file = File::open(place).with_context(failed)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let length = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).with_context(failed),
        };
        context.update(chunk.get(..length).unwrap_or_default());
        size += length as u64;
    }
    let digest = context.finish();
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Ok(FileSum {
        name: name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        size,
        sha256: digits.collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::{env, os::unix::fs::PermissionsExt};

    use super::*;

    fn place(name: &str) -> PathBuf {
        env::temp_dir().join(format!("usher-file-{name}-{}", process::id()))
    }

    #[test]
    fn a_file_appears_when_it_is_complete_and_for_its_owner_only() {
        let name = place("draft");
        let draft = Draft::create(&name).unwrap();
        draft.fill("all of it").unwrap();
        assert!(draft.size() == 9 && !name.exists());
        let part = draft.place().to_path_buf();
        draft.finish(false).unwrap();
        assert_eq!(fs::read_to_string(&name).unwrap(), "all of it");
        assert_eq!(
            fs::metadata(&name).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!part.exists());
        let second = Draft::create(&name).unwrap();
        second.fill("another").unwrap();
        let error = second.finish(false).unwrap_err().to_string();
        assert!(
            error.contains("exists already: choose another name, or use --force"),
            "{error}"
        );
        assert!(!part.exists());
        assert_eq!(fs::read_to_string(&name).unwrap(), "all of it");
        let third = Draft::create(&name).unwrap();
        third.finish(true).unwrap();
        assert_eq!(fs::read_to_string(&name).unwrap(), "");
        fs::remove_file(&name).unwrap();
    }

    #[test]
    fn the_sum_of_a_file_is_its_sha_256() {
        let name = place("sum");
        fs::write(&name, "abc").unwrap();
        let found = sum(&name, Path::new("/somewhere/x.dump")).unwrap();
        fs::remove_file(&name).unwrap();
        assert_eq!((found.size, found.name.as_str()), (3, "x.dump"));
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found.sha256, expected);
    }

    #[test]
    fn a_name_is_after_the_database_and_the_time() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let found = name(None, "my/app b", now).unwrap();
        assert_eq!(found, Path::new("usher-my_app_b-19700101T000000Z.dump"));
        assert_eq!(
            name(Some(Path::new("x.dump")), "app", now).unwrap(),
            Path::new("x.dump")
        );
        let folder = env::temp_dir();
        let found = name(Some(&folder), "app", now).unwrap();
        assert_eq!(found, folder.join("usher-app-19700101T000000Z.dump"));
    }
}
