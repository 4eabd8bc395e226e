//! `usher backup`: copies the database into a file, and proves that a file is a good copy.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::stop::Stop;

mod census;
mod compare;
mod create;
mod file;
mod manifest;
mod schema;
mod verify;

/// Copies the database into a file, and proves that such a file is a good copy.
///
/// Both need the client programs of Postgres, `pg_dump` and `pg_restore`, of the version of the server or newer.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example:\n  usher backup create --output users.dump\n  usher backup verify users.dump"
)]
pub(crate) enum Command {
    Create(create::Arguments),
    Verify(verify::Arguments),
}

/// Runs one of them. A signal ends it in order: nothing half done is left.
pub(crate) async fn run(command: &Command) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let work = async {
        match command {
            Command::Create(arguments) => create::run(arguments).await,
            Command::Verify(arguments) => verify::run(arguments).await,
        }
    };
    tokio::select! {
        ended = work => ended,
        () = stop.wait() => bail!("stopped before the end"),
    }
}

/// Writes a size as people say it, such as `12.3 MB`.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10)),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_short() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (2_999_999_999, "2.9 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
