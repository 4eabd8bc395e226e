//! `usher doctor`: looks at everything an instance needs, and says what to do about what is wrong.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use usher_core::{MailOptions, ReplicaOptions, secret::Secret};
use usher_mail::Mailer;

use crate::{
    data_folder::DataFolder,
    database::{Choice, Opened, Target},
    environment::variable,
    output::{say, tell},
};

mod database;
mod keys;
mod pepper;
mod report;
mod variables;

use report::Report;

/// Checks variables, keys, the database and its schema. Exits with 1 when an instance would not work.
///
/// With `USHER_ENV=development` missing variables are only pointed out, since `usher dev` has values for them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  USHER_ENV=development usher doctor")]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: Choice,
}

/// Checks everything, a line each.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut report = Report::default();
    let is_development = variable("USHER_ENV").as_deref() == Some("development");
    variables::check(&mut report, &variable, is_development)?;
    keys::check(&mut report)?;
    check_database(&mut report, &arguments.database).await;
    check_mail(&mut report).await?;
    say(report.summary());
    if report.has_failed() {
        if !is_development {
            say(
                "Only developing? `USHER_ENV=development cargo usher doctor` leaves out what `cargo dev` supplies.",
            );
        }
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Connects to the mail server, when there is one.
async fn check_mail(report: &mut Report) -> Result<()> {
    const NAME: &str = "mail";
    // What is wrong with the variables was pointed out already.
    let Ok(options) = MailOptions::from_variables(variable) else {
        return Ok(());
    };
    let secret = Secret::parse(&Secret::generate()?).map_err(anyhow::Error::msg)?;
    let mailer = Mailer::new(options, secret, "https://localhost", None);
    let Some(way) = mailer.way() else {
        report.warn(
            NAME,
            "no MAIL_URL: mails wait, so that nobody can verify an address or get another password",
        );
        return Ok(());
    };
    match mailer.check().await {
        Ok(()) => report.ok(NAME, way),
        Err(error) => report.fail(NAME, format_args!("{way}: {error}; correct MAIL_URL")),
    }
    Ok(())
}

async fn check_database(report: &mut Report, choice: &Choice) {
    match find(choice).await {
        Ok(Some(opened)) => {
            database::check(report, &opened).await;
            // What is wrong with its variables was pointed out already.
            let replica = ReplicaOptions::from_variables(variable);
            if let (Ok(Some(replica)), None) = (replica, &opened.own) {
                database::check_replica(report, &opened.target, replica).await;
            }
        }
        // The missing variable was pointed out already.
        Ok(None) => {}
        Err(error) => report.fail("database", format_args!("{error:#}")),
    }
    let is_other = |target: &Target| target.variable != "DATABASE_URL";
    if choice.database_url.is_none()
        && let Ok(Some(direct)) = Target::choose(None, variable)
        && is_other(&direct)
    {
        database::check_direct(report, &direct).await;
    }
}

/// Returns the database that an instance would use: it asks no other variable than `DATABASE_URL`.
async fn find(choice: &Choice) -> Result<Option<Opened>> {
    if let Some(option) = &choice.database_url {
        let target = Target::choose(Some(option), variable)?;
        return Ok(target.map(|target| Opened { target, own: None }));
    }
    if variable("DATABASE_URL").is_some() {
        let target = Target::read("DATABASE_URL", variable)?;
        return Ok(Some(Opened { target, own: None }));
    }
    let place = DataFolder::place(choice.data_dir.as_deref())?;
    if !place.join("postgres").is_dir() {
        return Ok(None);
    }
    Opened::own(DataFolder::open(&place)?, &tell)
        .await
        .map(Some)
}
