//! The database: whether it answers, how it is spoken to, what it can do and which schema it has.

use std::time::Instant;

use anyhow::{Context, Result};
use tokio_postgres::{Client, config::SslMode};
use usher_core::{Database, Replica, ReplicaOptions, health::SCHEMA_VERSION, replica::Outcome};
use usher_migrate::{Migrations, State, Status};

use super::{pepper, report::Report};
use crate::database::{Opened, Target};

/// The oldest version that the schema works on: there `pg_trgm` is a trusted extension.
const OLDEST: i32 = 13;
/// The oldest version that its makers still mend.
const MAINTAINED: i32 = 14;

/// What a server says of itself and of the connection.
struct Server {
    version: i32,
    name: String,
    protocol: Option<String>,
}

/// Checks the database of an instance.
pub(super) async fn check(report: &mut Report, opened: &Opened) {
    let target = &opened.target;
    let started = Instant::now();
    let client = match target.connect().await {
        Ok(client) => client,
        Err(error) => return report.fail("database", format_args!("{error:#}")),
    };
    let connected = milliseconds(started);
    let started = Instant::now();
    match ask(&client).await {
        Ok(server) => {
            let (place, answered) = (target.place(), milliseconds(started));
            report.ok(
                "database",
                format_args!("{place} connected in {connected} ms, answered in {answered} ms"),
            );
            check_tls(report, target, &server);
            check_version(report, &server);
        }
        Err(error) => report.fail("database", format_args!("{error:#}")),
    }
    match Migrations::embedded() {
        Ok(migrations) => match migrations.status(&client).await {
            Ok(status) => {
                check_schema(report, &status);
                if is_deployed(&status) {
                    pepper::check(report, &client).await;
                }
            }
            Err(error) => report.fail("schema", format_args!("{:#}", anyhow::Error::new(error))),
        },
        Err(error) => report.fail("schema", error),
    }
    check_pooler(report, target);
}

/// Checks the connection that migrations are deployed by.
pub(super) async fn check_direct(report: &mut Report, target: &Target) {
    let name = target.variable;
    if let Some(sign) = &target.pooler {
        let advice = "set it to the connection string without the pooler";
        return report.fail(
            name,
            format_args!("leads to a transaction pooler ({sign}): {advice}"),
        );
    }
    match target.connect().await {
        Ok(_) => report.ok(
            name,
            format_args!("{} can be reached, for migrations", target.place()),
        ),
        Err(error) => report.fail(name, format_args!("{error:#}")),
    }
}

/// Checks the replica that heavy reads may come from; without it an instance works too.
pub(super) async fn check_replica(report: &mut Report, primary: &Target, replica: ReplicaOptions) {
    const NAME: &str = "replica";
    let primary = Database::new(primary.url.clone());
    let advice = match Replica::new(replica).examine(&primary).await {
        Ok(Outcome::Used) => {
            return report.ok(NAME, "follows DATABASE_URL, and answers heavy reads");
        }
        Ok(Outcome::Lagging) => {
            "is further behind than DATABASE_REPLICA_MAX_LAG: look at its load and its network"
        }
        Ok(_) => {
            "is no replica of DATABASE_URL, or not yet since a failover: correct DATABASE_REPLICA_URL"
        }
        Err(error) => {
            return report.warn(
                NAME,
                format_args!("{error}, so that the primary answers all reads"),
            );
        }
    };
    report.warn(NAME, advice);
}

async fn ask(client: &Client) -> Result<Server> {
    let statement = "
        select
          current_setting('server_version_num')::integer as version,
          current_setting('server_version') as name,
          (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl) as protocol";
    let row = client.query_typed_one(statement, &[]).await;
    let row = row.context("it does not answer")?;
    Ok(Server {
        version: row.try_get("version")?,
        name: row.try_get("name")?,
        protocol: row.try_get("protocol")?,
    })
}

fn check_tls(report: &mut Report, target: &Target, server: &Server) {
    const NAME: &str = "TLS";
    let is_required = target.url.driver().get_ssl_mode() == SslMode::Require;
    match &server.protocol {
        Some(protocol) => report.ok(NAME, format_args!("{protocol}, certificate verified")),
        None if is_required => report.ok(
            NAME,
            "certificate verified; the server itself sees none, so a pooler stands before it",
        ),
        None if target.url.is_local() => report.ok(NAME, "none, on this machine"),
        None => report.warn(
            NAME,
            "none, to another machine: unset USHER_ALLOW_PLAINTEXT_DATABASE unless the network is private",
        ),
    }
}

fn check_version(report: &mut Report, server: &Server) {
    const NAME: &str = "server";
    let (major, name) = (server.version / 10_000, &server.name);
    if major < OLDEST {
        report.fail(
            NAME,
            format_args!("PostgreSQL {name} is too old: use {MAINTAINED} or newer"),
        );
    } else if major < MAINTAINED {
        report.warn(
            NAME,
            format_args!("PostgreSQL {name} is no longer maintained: use {MAINTAINED} or newer"),
        );
    } else {
        report.ok(NAME, format_args!("PostgreSQL {name}"));
    }
}

fn is_deployed(status: &Status) -> bool {
    let mut entries = status.entries.iter();
    entries.all(|entry| entry.state != State::Pending)
}

fn check_schema(report: &mut Report, status: &Status) {
    const NAME: &str = "schema";
    let count = |wanted| {
        let entries = status.entries.iter();
        entries.filter(|entry| entry.state == wanted).count()
    };
    let (pending, missing) = (count(State::Pending), count(State::Missing));
    let wrong = count(State::Divergent) + count(State::OutOfOrder);
    if wrong > 0 {
        report.fail(
            NAME,
            format_args!(
                "{wrong} migrations are not those of this build: see `usher migrate status`"
            ),
        );
    } else if pending > 0 {
        report.fail(
            NAME,
            format_args!("{pending} migrations are pending: run `usher migrate deploy`"),
        );
    } else if missing > 0 {
        report.warn(
            NAME,
            format_args!("newer than this build by {missing} migrations: deploy a newer build"),
        );
    } else {
        report.ok(
            NAME,
            format_args!("as this build needs it, {SCHEMA_VERSION}"),
        );
    }
}

fn check_pooler(report: &mut Report, target: &Target) {
    const NAME: &str = "pooler";
    if target.url.is_local() {
        return;
    }
    match &target.pooler {
        Some(sign) => report.ok(
            NAME,
            format_args!("{sign}; migrations need a direct connection: DIRECT_URL"),
        ),
        None => report.warn(
            NAME,
            "none seen: many functions at once need one, so set DATABASE_URL to the pooled connection string and \
             DIRECT_URL to this one",
        ),
    }
}

fn milliseconds(since: Instant) -> String {
    format!("{:.1}", since.elapsed().as_secs_f64() * 1000.0)
}
