//! `usher doctor`: looks at everything an instance needs, and says what to do about what is wrong.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use usher_core::{
    Config, MailOptions, ReplicaOptions,
    secret::Secret,
    tokens::{Principal, Tokens},
};
use usher_domain::{Clock, Method, Proof, SessionId, UserId};
use usher_mail::Mailer;

use crate::{
    data_folder::DataFolder,
    database::{Choice, Opened, Target},
    environment::variable,
    output::{say, tell},
};

mod database;
mod report;
mod variables;

use report::Report;

/// Any session will do for a token that nobody uses.
const SESSION: &str = "00000000-0000-7000-8000-000000000000";

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
    check_keys(&mut report)?;
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

/// Signs a token and verifies it, when there are keys that can be read.
fn check_keys(report: &mut Report) -> Result<()> {
    const NAME: &str = "signing";
    let Some(keys) = variable("USHER_SIGNING_KEYS") else {
        return Ok(());
    };
    let read = Config::from_variables(variables::with("USHER_SIGNING_KEYS", &keys)?);
    let Ok(config) = read else {
        return Ok(());
    };
    let now = Clock::default().now();
    let tokens = Tokens::new(
        config.signing_keys.clone(),
        &config.issuer,
        &config.audience,
    );
    let principal = Principal {
        user: UserId::new(1),
        session: SessionId::parse(SESSION)?,
    };
    let token = tokens.issue(principal, &Proof::by(Method::Password, now), now)?;
    if tokens
        .verify(&token)
        .is_some_and(|presented| presented.principal == principal)
    {
        let keys = tokens.keys().public();
        let count = keys["keys"].as_array().map_or(0, Vec::len);
        report.ok(
            NAME,
            format_args!("the first of {count} keys signs, and its signature is accepted"),
        );
    } else {
        report.fail(
            NAME,
            "a signature is not accepted: make another key with `usher keys`",
        );
    }
    Ok(())
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
