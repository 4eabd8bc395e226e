//! From the call in an `api/` file to a running function.

use crate::{
    environment::variable, error::Error, host::Host, listener, logging, otlp, otlp::Exporter,
    problem, uri, vercel,
};
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use usher_http::{App, Endpoint, routes};

/// Serves one endpoint until the host stops the process.
pub fn serve(endpoint: Endpoint) -> ExitCode {
    start(&[endpoint])
}

/// Serves every endpoint in one process, until the host stops it.
pub fn serve_all() -> ExitCode {
    start(routes::ALL)
}

fn start(endpoints: &[Endpoint]) -> ExitCode {
    match run(endpoints) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(endpoints: &[Endpoint]) -> Result<(), Error> {
    let host = Host::choose(variable)?;
    let runtime = runtime(host)?;
    let outcome = runtime.block_on(async {
        let (app, exporter) = instance(host)?;
        let router = match &app {
            Some(app) => usher_http::router(endpoints, app.clone()),
            None => problem::misconfigured(),
        };
        match host {
            Host::Vercel => vercel::run(router, uri::parameters(endpoints), app, exporter).await,
            Host::Lambda => lambda(router, exporter).await,
            Host::Plain(address) => {
                let serving = listener::run(address, router, exporter);
                match &app {
                    Some(app) => listener::looking_after(app, serving).await,
                    None => serving.await,
                }
            }
        }
    });
    // A name look-up or a hash that is still running has nobody left to wait for it.
    runtime.shutdown_background();
    outcome
}

/// Starts the runtime: one thread for a function, all cores for a plain process.
///
/// A function waits for the database nearly all the time and hashes passwords on threads of
/// their own, so a second worker would only add its start and a switch of threads to each request.
fn runtime(host: Host) -> Result<Runtime, std::io::Error> {
    let mut builder = if host.is_managed() {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

/// Makes the instance from the environment. On a managed host wrong settings are reported and give
/// none: the process stays, and answers 503 to everything.
fn instance(host: Host) -> Result<(Option<App>, Option<Exporter>), Error> {
    let made = || -> Result<_, Error> { Ok(otlp::observe(App::from_environment()?)?) };
    match made() {
        Ok((app, exporter)) => {
            logging::init(app.is_development());
            Ok((Some(app), exporter))
        }
        Err(error) if host.is_managed() => {
            report(&error);
            Ok((None, None))
        }
        Err(error) => Err(error),
    }
}

#[cfg(feature = "lambda")]
use crate::lambda::run as lambda;

#[cfg(not(feature = "lambda"))]
fn lambda(_: axum::Router, _: Option<Exporter>) -> impl Future<Output = Result<(), Error>> {
    let message = "this binary was built without AWS Lambda; build it with `--features lambda`";
    std::future::ready(Err(message.into()))
}

/// Writes the one line that says why a start failed. Logging may not run yet, so it goes to standard
/// error itself, which every host keeps.
fn report(error: &dyn std::fmt::Display) {
    eprintln!("usher: {error}");
}
