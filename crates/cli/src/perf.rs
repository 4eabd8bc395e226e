//! `usher perf`: fills a database, measures every call of the core or every hot route, and holds them to their budgets.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Args, value_parser};

use self::{
    load::load,
    measure::Bench,
    place::{Place, PlaceChoice},
    recorder::Recorder,
    report::Report,
    world::{Choice, World},
};
use crate::{
    output::{say, tell},
    stop::Stop,
};

mod address;
mod budget;
mod http;
mod job;
mod load;
mod measure;
mod measured;
mod measurements;
mod people;
mod place;
mod plan;
mod recorder;
mod report;
mod rows;
mod tally;
mod task;
mod times;
mod wire;
mod world;

/// Fills a database with made-up users, measures it, and says what is over budget.
///
/// The users, their sessions and an audit log go into a scratch database, which is dropped afterwards: on a server that is
/// started for it, or beside --shadow-url. Then every call of the core is timed on 1, 10 and sometimes 50 and 200
/// connections, and in turns with the very same statements said bare on one connection. With --http the hot routes of
/// `usher serve` are called instead, and the same statements are given to pgbench.
///
/// Build it by `cargo build --release`, and let nothing else run. The scratch database lies in the folder for temporary
/// files; a million users need 3 GB there.
///
/// Exits with 0 when all is within its budget, and with 1 when something is over it or could not be measured.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher perf\n  usher perf --users 1000000 --html perf.html\n  usher perf --only search --json\n  usher perf --http --throw-away\n  usher perf --database-url postgresql://postgres@localhost/perf --users 10000000"
)]
pub(crate) struct Arguments {
    /// How many users there are, and as many sessions and entries of the audit log.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = value_parser!(u64).range(1000..))]
    users: u64,
    #[command(flatten)]
    place: PlaceChoice,
    /// Calls the hot routes over HTTP instead of the core.
    #[arg(long)]
    http: bool,
    /// Measures only what has this in its name; it may be given several times.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// How long calls are made for each number of connections, at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    seconds: f64,
    /// Multiplies every budget: more than 1 for a slower machine.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    budget_factor: f64,
    /// Shows the result for programs.
    #[arg(long)]
    json: bool,
    /// Writes the result with charts into this file, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs the command. A signal ends it in order: the scratch database is dropped.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let report = tokio::select! {
        report = measure(arguments) => report?,
        // Told before the rest is given up, since dropping the database can take a while.
        () = async {
            stop.wait().await;
            tell("stopping");
        } => bail!("stopped before the end"),
    };
    if arguments.json {
        say(serde_json::to_string_pretty(&report)?);
    } else {
        say(report.to_text());
    }
    if let Some(file) = &arguments.html {
        fs::write(file, report.to_html())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if report.is_within_budget {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(arguments: &Arguments) -> Result<Report> {
    let limit = Duration::try_from_secs_f64(arguments.seconds)
        .context("--seconds has to be a number above 0")?;
    let only = |name: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|text| name.contains(text))
    };
    // Before this command makes any.
    let busy = report::load_average();
    if cfg!(debug_assertions) {
        tell("this is a debug build, which is several times slower: use `cargo run --release`");
    }
    let place = Place::open(&arguments.place).await?;
    let client = place.connect().await?;
    tell(&format!("filling {}", place.name()));
    let loaded = load(&client, arguments.users).await?;
    let choice = if arguments.http {
        Choice::Neighbours
    } else {
        Choice::Any
    };
    let world = World::prepare(&client, &place.address.database(1)?, choice).await?;
    let mut report = Report::new(place.name(), loaded, arguments.budget_factor, busy);
    tell("measuring");
    if arguments.http {
        report.http = Some(http::measure(&client, &place.address, world, limit, only).await?);
    } else {
        let bench = Bench {
            world: Arc::new(world),
            recorder: Recorder::start(&place.address).await?,
            address: place.address.clone(),
            limit,
            factor: arguments.budget_factor,
            is_durable: place.server.is_durable,
            connections: place.server.connections,
        };
        let all: Vec<_> = measurements::all()
            .into_iter()
            .filter(|one| only(&one.name))
            .collect();
        for (number, one) in all.iter().enumerate() {
            tell(&format!("  {} of {}: {}", number + 1, all.len(), one.name));
            let measured = bench.measure(one).await;
            report
                .measurements
                .push(measured.with_context(|| format!("cannot measure: {}", one.name))?);
        }
    }
    if report.is_empty() {
        bail!(
            "nothing has {} in its name: correct --only",
            arguments.only.join(" or ")
        );
    }
    report.finish(place.server);
    Ok(report)
}
