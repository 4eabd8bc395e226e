//! `usher perf --http`: the served router over the loopback, by a client in this process.
//!
//! The server is a process of its own, so that what the client spends is not counted as the server's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use usher_core::{secret::Secret, tokens::SigningKeys};

use self::{
    caller::{Caller, Tokens},
    pgbench::{Pgbench, Ran, Script},
    processes::{Postmaster, Spent},
    routes::{ALL, Call, Target},
    server::Server,
    turns::Turns,
};
use super::{
    address::Address,
    recorder::Recorder,
    tally::{Level, Tally},
    world::World,
};
use crate::output::tell;

mod caller;
mod pgbench;
mod processes;
mod routes;
mod server;
mod turns;

/// How many connections the server has to the database.
const POOL: usize = 10;
/// How many connections the client has to the server, in turn.
const LEVELS: [usize; 3] = [1, 10, 50];
/// How long the requests are sent before it is the turn of pgbench, for as long. In turns, other work on the machine disturbs
/// both alike.
const TURN: Duration = Duration::from_secs(2);
/// How long requests are sent that are not counted, so that what they need is in memory, as it is for pgbench.
const WARM_UP: Duration = Duration::from_millis(500);
/// How many requests of a route lend their statements to pgbench.
const LENT: usize = 4;

/// What all routes showed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Served {
    /// The most connections of the server to the database.
    pub(super) pool: usize,
    /// The program that sends the same statements, or why there is none.
    pub(super) pgbench: String,
    pub(super) routes: Vec<Route>,
}

/// What a route showed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Route {
    pub(super) name: &'static str,
    pub(super) levels: Vec<Load>,
}

/// A route under a load.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Load {
    #[serde(flatten)]
    pub(super) level: Level,
    /// Milliseconds of processor time for 1000 requests.
    pub(super) server_cpu: Option<f64>,
    pub(super) database_cpu: Option<f64>,
    /// The most memory that the server had so far, in megabytes.
    pub(super) server_memory: Option<f64>,
    pub(super) database_memory: Option<f64>,
    /// The same statements by pgbench, on as many connections as the server had.
    pub(super) pgbench: Option<Ran>,
    /// Requests per second by what pgbench reaches, in the middle of the turns.
    pub(super) ratio: Option<f64>,
}

/// Everything that the routes need.
struct Drive<'a> {
    address: &'a Address,
    target: Arc<Target>,
    server: Server,
    postmaster: Option<Postmaster>,
    pgbench: Option<Pgbench>,
    limit: Duration,
}

/// Measures every route.
pub(super) async fn measure(
    client: &Client,
    address: &Address,
    world: World,
    limit: Duration,
    only: impl Fn(&str) -> bool,
) -> Result<Served> {
    let secret = Secret::generate()?;
    let secrets = [SigningKeys::generate()?, secret.clone()];
    let (pgbench, said) = match Pgbench::find() {
        Ok(found) => (Some(found), String::new()),
        Err(error) => (None, format!("{error:#}")),
    };
    let drive = Drive {
        address,
        server: Server::start(&address.text(POOL), &secrets, "error").await?,
        target: Arc::new(Target {
            world,
            secret: Secret::parse(&secret).map_err(anyhow::Error::msg)?,
        }),
        postmaster: Postmaster::of(client).await?,
        pgbench,
        limit,
    };
    let lent = lend(address, &secrets).await?;
    let mut routes = Vec::new();
    for (number, (name, call)) in ALL.iter().enumerate().filter(|(_, (name, _))| only(name)) {
        tell(&format!("  {} of {}: {name}", number + 1, ALL.len()));
        let scripts = match (&lent, &drive.pgbench) {
            (Some(lent), Some(_)) if call.is_repeatable() => {
                Some(lent.scripts(*call, &drive).await?)
            }
            _ => None,
        };
        let mut levels = Vec::new();
        for connections in LEVELS
            .into_iter()
            .filter(|level| *level <= call.most_connections())
        {
            levels.push(drive.load(*call, connections, scripts.as_deref()).await?);
        }
        routes.push(Route { name, levels });
    }
    let pgbench = drive.pgbench.as_ref().map_or(said, ToString::to_string);
    Ok(Served {
        pool: POOL,
        pgbench,
        routes,
    })
}

impl Drive<'_> {
    /// Signs in for so many callers: each to prolong a session of its own, or else once as the administrator. An access
    /// token is good for five minutes.
    async fn tokens(&self, call: Call, callers: usize) -> Result<Vec<Tokens>> {
        let mut caller = Caller::connect(self.server.place(), &self.target).await?;
        let mut tokens = Vec::new();
        for number in 0..callers {
            if call == Call::Refresh {
                caller.sign_in(number).await?;
            } else if number == 0 && !call.is_anonymous() {
                caller.sign_in(0).await?;
            }
            tokens.push(caller.tokens.clone());
        }
        Ok(tokens)
    }

    async fn load(
        &self,
        call: Call,
        connections: usize,
        scripts: Option<&[Script]>,
    ) -> Result<Load> {
        let mut callers = Vec::new();
        for tokens in self.tokens(call, connections).await? {
            let mut caller = Caller::connect(self.server.place(), &self.target).await?;
            caller.tokens = tokens;
            // The first request opens connections to the database.
            caller.call(call).await?;
            callers.push(caller);
        }
        if call.is_repeatable() {
            call_all(&mut callers, call, WARM_UP).await?;
        }
        let mut shown = Turns::default();
        while shown.took < self.limit {
            let before = self.spent();
            let turn = TURN.min(self.limit.saturating_sub(shown.took));
            let (tally, took) = call_all(&mut callers, call, turn).await?;
            shown.add(tally, took, before, self.spent());
            if let (Some(pgbench), Some(scripts)) = (&self.pgbench, scripts) {
                let clients = connections.min(POOL);
                let postmaster = self.postmaster.as_ref();
                let ran = pgbench.run(self.address, scripts, call.plan_mode(), clients, postmaster);
                shown.compare(ran.await?);
            }
        }
        Ok(shown.into_load(connections, self.spent()))
    }

    /// Returns what the server and the database spent so far.
    fn spent(&self) -> (Option<Spent>, Option<Spent>) {
        let database = self.postmaster.as_ref().and_then(Postmaster::spent);
        (self.server.spent(), database)
    }
}

/// Has all callers call, each as soon as it has its answer.
async fn call_all(
    callers: &mut Vec<Caller>,
    call: Call,
    limit: Duration,
) -> Result<(Tally, Duration)> {
    let started = Instant::now();
    let mut calling = JoinSet::new();
    for mut caller in callers.drain(..) {
        calling.spawn(async move {
            let mut tally = Tally::default();
            while started.elapsed() < limit {
                let begun = Instant::now();
                match caller.call(call).await {
                    Ok(()) => tally.times.push(begun.elapsed()),
                    Err(error) => tally.failures.push(format!("{error:#}")),
                }
            }
            (caller, tally)
        });
    }
    let mut tally = Tally::default();
    while let Some(part) = calling.join_next().await {
        let (caller, part) = part?;
        callers.push(caller);
        tally.add(part);
    }
    Ok((tally, started.elapsed()))
}

/// A server whose statements are recorded.
struct Lender {
    recorder: Recorder,
    server: Server,
}

async fn lend(address: &Address, secrets: &[String; 2]) -> Result<Option<Lender>> {
    let Some(recorder) = Recorder::start(address).await? else {
        return Ok(None);
    };
    // What writes fails at it, as it is meant to.
    let server = Server::start(recorder.address(), secrets, "off").await?;
    Ok(Some(Lender { recorder, server }))
}

impl Lender {
    /// Returns the statements of some requests for pgbench. What writes is kept back by the recorder, so that somebody
    /// has to be signed in at the other server.
    async fn scripts(&self, call: Call, drive: &Drive<'_>) -> Result<Vec<Script>> {
        let mut caller = Caller::connect(self.server.place(), &drive.target).await?;
        caller.tokens = drive.tokens(call, 1).await?.remove(0);
        let mut scripts = Vec::new();
        for number in 0..LENT {
            self.recorder.take();
            // What writes fails here, as it is meant to.
            let _ = caller.call(call).await;
            let requests = self.recorder.take();
            scripts.push(Script::of(&self.recorder, &requests, number, &drive.target.world).await?);
        }
        Ok(scripts)
    }
}
