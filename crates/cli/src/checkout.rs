//! Where the checkout is: the folder of `.env`, `.dev` and `public`.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};

/// Returns the checkout around the current folder, or that folder itself when there is none.
pub(crate) fn root() -> Result<PathBuf> {
    let current = current()?;
    Ok(around(&current).unwrap_or(&current).to_path_buf())
}

/// Returns the checkout around the current folder, for what makes no sense without one.
pub(crate) fn needed() -> Result<PathBuf> {
    let current = current()?;
    around(&current)
        .map(Path::to_path_buf)
        .ok_or_else(|| anyhow!("this is no checkout of usher: run the command inside of one"))
}

/// Returns a path as the reader would write it.
pub(crate) fn shown(path: &Path) -> String {
    let current = env::current_dir().unwrap_or_default();
    let inner = path.strip_prefix(current).unwrap_or(path);
    inner.display().to_string()
}

fn current() -> Result<PathBuf> {
    env::current_dir().context("the current folder cannot be found: change to one that exists")
}

fn around(folder: &Path) -> Option<&Path> {
    folder
        .ancestors()
        .find(|folder| folder.join("crates/cli/Cargo.toml").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_found_from_the_inside_only() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().unwrap();
        assert_eq!(around(&root.join("crates/cli/src")), Some(&*root));
        assert_eq!(around(Path::new("/")), None);
    }
}
