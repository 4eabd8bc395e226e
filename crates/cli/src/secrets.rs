//! The keys of a developer's instance: made once and kept, so that a restart signs nobody out.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result, anyhow};
use usher_core::{secret::Secret, tokens::SigningKeys};

use crate::checkout::shown;

/// The variables that stand in the file.
pub(crate) const NAMES: [&str; 2] = ["USHER_SIGNING_KEYS", "USHER_SECRET"];

/// Reads the file, which is made when there is none, and returns the values in the order of [`NAMES`].
pub(crate) fn read_or_make(file: &Path) -> Result<[String; 2]> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => make(file)?,
        found => found.with_context(|| format!("cannot read {}", shown(file)))?,
    };
    parse(&text).ok_or_else(|| {
        let file = shown(file);
        anyhow!("{file} lacks a value: remove it, and the next start makes a new one")
    })
}

fn make(file: &Path) -> Result<String> {
    let values = [SigningKeys::generate()?, Secret::generate()?];
    let [keys, secret] = NAMES;
    let text = format!("{keys}={}\n{secret}={}\n", values[0], values[1]);
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    created
        .and_then(|mut created| created.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", shown(file)))?;
    Ok(text)
}

fn parse(text: &str) -> Option<[String; 2]> {
    let find = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        let value = pairs.find(|(known, _)| known.trim() == name)?.1.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let [keys, secret] = NAMES;
    Some([find(keys)?, find(secret)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_values_are_needed() {
        let text = "USHER_SIGNING_KEYS=a=\nUSHER_SECRET=b\n";
        assert_eq!(parse(text), Some(["a=".to_owned(), "b".to_owned()]));
        assert_eq!(parse("USHER_SIGNING_KEYS=a\nUSHER_SECRET=\n"), None);
    }
}
