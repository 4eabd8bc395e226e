//! The one place of this crate that reads the environment, and the file `.env` that stands in for it.

use std::{ffi::OsString, path::Path};

use anyhow::{Context, Error, Result, anyhow};

/// Adds the variables of the file `.env` of a folder to those of the process, which win; none is fine.
///
/// It has to be called before there are threads.
pub(crate) fn load(folder: &Path) -> Result<()> {
    let file = folder.join(".env");
    if !file.is_file() {
        return Ok(());
    }
    dotenvy::from_path(&file)
        .map_err(explain)
        .with_context(|| format!("cannot read {}", file.display()))
}

/// Names the line that is wrong by its variable: the rest of it may be a password.
fn explain(error: dotenvy::Error) -> Error {
    let dotenvy::Error::LineParse(line, _) = &error else {
        return error.into();
    };
    let name = line.split('=').next().unwrap_or_default().trim();
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_name) && line.contains('=') {
        anyhow!("the value of {name} cannot be understood: put it between single quotes")
    } else {
        anyhow!("a line is not of the form NAME='value'")
    }
}

/// Returns the value of a variable; an empty one counts as missing.
#[expect(
    clippy::disallowed_methods,
    reason = "a command looks for its database before there is a configuration"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// Returns the variables of this process that libpq would take for a part of the connection string, such as `PGHOST`.
pub(crate) fn names_of_libpq() -> impl Iterator<Item = OsString> {
    let is_theirs = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("PG") && !name.starts_with("PG_")
    };
    std::env::vars_os().map(|(name, _)| name).filter(is_theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_named_without_its_value() {
        for (line, named) in [
            ("USHER_SECRET='hunter2", "USHER_SECRET"),
            ("hunter2 = x", "a line"),
        ] {
            let error = explain(dotenvy::Error::LineParse(line.to_owned(), 3)).to_string();
            assert!(
                error.contains(named) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
