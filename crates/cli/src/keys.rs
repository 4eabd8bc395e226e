//! `usher keys`: new keys and a new secret, to be put where the environment is kept.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use usher_core::{secret::Secret, tokens::SigningKeys};

use crate::output::say;

const NOTE: &str = "\
# Keep both lines secret: in .env, or where the platform keeps its variables (`vercel env add USHER_SECRET`).
# The first signing key signs, all are accepted. To change it, put the new one after the old one and a comma, and
# deploy; five minutes later put it first, and deploy; five minutes later take the old one out, and deploy.
# The same holds for USHER_SECRET, but the old one stays for 31 days: sessions hang on the one they were begun with.";

/// Prints a new signing key and a new secret.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher keys >> .env")]
pub(crate) struct Arguments {}

/// Prints the lines.
pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    say(NOTE);
    say(format_args!(
        "USHER_SIGNING_KEYS={}",
        SigningKeys::generate()?
    ));
    say(format_args!("USHER_SECRET={}", Secret::generate()?));
    Ok(ExitCode::SUCCESS)
}
