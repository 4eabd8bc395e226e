//! `usher serve`: the API in one process, configured by the environment alone.

use std::{net::IpAddr, path::PathBuf, process::ExitCode};

use anyhow::{Result, ensure};
use clap::Args;
use usher_function::{logging, otlp};
use usher_http::{App, routes};

use crate::{output::tell, site, stop::Stop};

/// Serves the whole API; everything is configured by variables of the environment.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  usher serve --port 8080 --host 0.0.0.0 --public public")]
pub(crate) struct Arguments {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 3000)]
    port: u16,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// A folder with static files to serve beside the API.
    #[arg(long)]
    public: Option<PathBuf>,
}

/// Serves until the process is told to stop.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let stop = Stop::listen()?;
    let (app, exporter) = otlp::observe(App::from_environment()?)?;
    logging::init(app.is_development());
    let listener = site::bind(arguments.host, arguments.port).await?;
    tell(&format!(
        "usher: listening on http://{}",
        listener.local_addr()?
    ));
    let mut router = usher_http::router(routes::ALL, app.clone());
    if let Some(folder) = &arguments.public {
        ensure!(
            folder.is_dir(),
            "{} is no folder: correct --public",
            folder.display()
        );
        router = site::with_files(router, folder);
    }
    tokio::select! {
        served = usher_function::looking_after(&app, site::serve(listener, router, stop)) => served?,
        () = otlp::run(exporter.as_ref()) => {}
    }
    otlp::flush(exporter.as_ref()).await;
    Ok(ExitCode::SUCCESS)
}
