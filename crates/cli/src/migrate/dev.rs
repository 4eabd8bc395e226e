//! `usher migrate dev`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use usher_migrate::{DeployOptions, Migrations};

use super::{Direct, deploy::summary, verify};
use crate::{
    checkout,
    output::{say, tell},
    scratch::ShadowChoice,
};

/// Applies the migrations of the checkout to a local database, then proves them.
///
/// The proof is that of `usher migrate verify`: each migration is applied, undone and applied again in a scratch
/// database, empty and with rows in every table. Exits with 7 when one is not proved.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher migrate new users_add_locale\n  usher migrate dev")]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    shadow: ShadowChoice,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (opened, mut client) = arguments.direct.open().await?;
    if !opened.target.url.is_local() {
        bail!(
            "{} is on another machine: `usher migrate dev` is for local databases, `usher migrate deploy` for others",
            opened.target.place()
        );
    }
    let migrations = Migrations::from_folder(&checkout::needed()?.join("migrations"))?;
    let options = DeployOptions {
        progress: &tell,
        ..DeployOptions::default()
    };
    let deployed = migrations.deploy(&mut client, options).await?;
    say(summary(&deployed)?);
    let verified = verify::verify(&migrations, &arguments.shadow).await?;
    verified.show();
    Ok(verified.code())
}
