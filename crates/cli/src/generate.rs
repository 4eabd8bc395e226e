//! `usher generate`: writes the files that are made from the code.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{checkout, output::say};

/// Writes the description of the API and the page of problem codes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher generate --check")]
pub(crate) struct Arguments {
    /// Writes nothing, and fails when a file is not as it would be written.
    #[arg(long)]
    check: bool,
}

/// Writes the files, or checks that they are fresh.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = checkout::needed()?;
    let mut stale = Vec::new();
    for (name, content) in files()? {
        let file = root.join(name);
        if fs::read_to_string(&file).is_ok_and(|found| found == content) {
            continue;
        }
        if arguments.check {
            stale.push(name);
        } else {
            write(&file, &content)?;
            say(format_args!("wrote {name}"));
        }
    }
    if !stale.is_empty() {
        bail!(
            "not as the code would have it: {}; run `cargo usher generate`",
            stale.join(", ")
        );
    }
    say("the generated files are fresh");
    Ok(ExitCode::SUCCESS)
}

fn files() -> Result<[(&'static str, String); 2]> {
    let document = serde_json::to_string_pretty(&usher_http::openapi::document())?;
    Ok([
        ("public/openapi.json", document + "\n"),
        ("docs/problems.md", usher_http::problems::page()),
    ])
}

fn write(file: &Path, content: &str) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, content))
        .with_context(|| format!("cannot write {}", file.display()))
}
