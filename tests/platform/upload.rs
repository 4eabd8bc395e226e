//! What `vercel deploy` uploads: the files that `.vercelignore` leaves.

use std::{fs, process::Command};

use usher_tests::{
    processes::process::{run, scratch},
    repository,
};

/// Copies what is uploaded, and lets cargo read it.
pub(crate) fn check() {
    let copy = scratch().join("upload");
    let _ = fs::remove_dir_all(&copy);
    let files = uploaded();
    assert!(files.iter().any(|file| file == "public/robots.txt"));
    assert!(
        !files
            .iter()
            .any(|file| file.starts_with("docs/") || file.starts_with(".github/"))
    );
    for file in &files {
        let to = copy.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(repository().join(file), to).unwrap();
    }
    let mut metadata = Command::new("cargo");
    metadata
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .current_dir(copy);
    run(&mut metadata, "upload");
}

/// Returns the files of the checkout below what `.vercelignore` keeps.
fn uploaded() -> Vec<String> {
    let ignored = fs::read_to_string(repository().join(".vercelignore")).unwrap();
    let kept: Vec<_> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix("!/"))
        .collect();
    let mut list = Command::new("git");
    list.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ])
    .current_dir(repository());
    let output = list.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let files = String::from_utf8(output.stdout).unwrap();
    let files = files
        .split_terminator('\0')
        .filter(|file| repository().join(file).is_file());
    files
        .filter(|file| kept.contains(&file.split('/').next().unwrap()))
        .map(str::to_owned)
        .collect()
}
