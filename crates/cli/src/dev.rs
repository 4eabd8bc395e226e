//! `usher dev`: everything on this machine, from nothing, with one command.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use usher_core::Config;
use usher_function::logging;
use usher_http::{App, routes};
use usher_mail::Catcher;

use crate::{checkout, data_folder::DataFolder, output::say, own_database, site, stop::Stop};

mod database;
mod defaults;
mod mail;
mod report;

use database::Prepared;

/// Serves the whole API on this machine, with a database of its own.
///
/// The file `.env` is read; variables of the environment win over it. With `DATABASE_URL` no server is started: a
/// database on this machine is migrated and seeded, any other is used as it is. Missing `USHER_*` variables get values
/// for development, secrets among them are kept in the data folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher dev --port 4000 --fresh")]
pub(crate) struct Arguments {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The folder of the database and the secrets [default: .dev in the checkout]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Removes the database and the secrets of the data folder first.
    #[arg(long)]
    fresh: bool,
}

/// An instance that is ready to serve, with the database behind it.
struct Ready {
    app: App,
    issuer: String,
    database: Prepared,
    /// What would have been sent, unless it is.
    catcher: Option<Catcher>,
}

/// Prepares, serves, and leaves nothing running.
pub(crate) async fn run(arguments: &Arguments, started: Instant) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    // First of all, so that a port in use is not found out after a minute of fetching.
    let listener = site::bind(Ipv4Addr::LOCALHOST.into(), arguments.port).await?;
    let port = listener.local_addr()?.port();
    say(format_args!("usher {}", env!("CARGO_PKG_VERSION")));
    let ready = tokio::select! {
        ready = prepare(arguments, port) => ready?,
        () = stop.wait() => {
            say("stopped before it was ready");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut router = usher_http::router(routes::ALL, ready.app.clone());
    if let Some(catcher) = &ready.catcher {
        router = mail::with_mails(router, catcher.clone());
    }
    let public = checkout::root()?.join("public");
    let has_files = public.is_dir();
    if has_files {
        router = site::with_files(router, &public);
    }
    report::print(&ready, port, has_files, started.elapsed());
    logging::init(true);
    usher_function::looking_after(&ready.app, site::serve(listener, router, stop)).await?;
    ready.app.database.close_idle(Duration::ZERO);
    let stopped = ready.database.stop();
    say(stopped);
    Ok(ExitCode::SUCCESS)
}

async fn prepare(arguments: &Arguments, port: u16) -> Result<Ready> {
    let folder = DataFolder::open(&DataFolder::place(arguments.data_dir.as_deref())?)?;
    if arguments.fresh {
        folder.empty(|folder| own_database::remove(folder, &database::progress))?;
    }
    let mut values = defaults::fill(&folder, port)?;
    let mut database = Prepared::open(folder).await?;
    let app_url = database.own_urls().map(|(app_url, _)| app_url);
    values.set("DATABASE_URL", app_url.as_deref());
    // A replica is of another database than the own one.
    let has_replica = |name: &str| app_url.is_none() || name != "DATABASE_REPLICA_URL";
    let config = Config::from_variables(|name| values.get(name).filter(|_| has_replica(name)))?;
    let catcher = config.mail.url.is_none().then(Catcher::default);
    let app = match &catcher {
        Some(catcher) => App::catching_mails(&config, catcher.clone()),
        None => App::new(&config),
    };
    database.seed(&app).await?;
    Ok(Ready {
        app,
        issuer: config.issuer,
        database,
        catcher,
    })
}
