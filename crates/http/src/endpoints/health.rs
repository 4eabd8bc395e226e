//! `/api/health`: whether this instance and its database are well.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use usher_core::{
    Connection,
    health::{self, Report, SCHEMA_VERSION},
    mails::{self, Backlog},
};

use crate::{
    App, Code, Operations, Problem,
    access::bearer,
    answer::{Shown, view},
    describe::{Docs, Part},
    input::{Nothing, Query},
};

pub(crate) fn report() -> Operations {
    Operations::default()
        .get(
            "Reports on the instance and its database; the details need the health token.",
            show,
        )
        .fails_with(&[Code::DatabaseUnavailable, Code::SchemaOutdated])
}

pub(crate) fn liveness() -> Operations {
    Operations::default().get(
        "Tells that the instance runs; the database is not asked.",
        live,
    )
}

pub(crate) fn readiness() -> Operations {
    Operations::default()
        .get(
            "Tells whether the database answers with the schema that this build needs.",
            ready,
        )
        .fails_with(&[Code::DatabaseUnavailable, Code::SchemaOutdated])
}

view! {
    /// That all is well.
    StatusView {
        /// `ok`.
        status: &'static str,
    }
}

view! {
    /// How the instance and its database are.
    HealthView {
        /// `ok`.
        status: &'static str,
        /// More, for whoever has the health token.
        details: Option<DetailsView>,
    }
}

view! {
    /// What an operator wants to know.
    DetailsView {
        /// The version of this build.
        version: &'static str,
        /// The newest migration of the database.
        schema_version: i64,
        /// The newest migration that this build needs.
        schema_needed: i64,
        /// The time of one round trip to the database, in milliseconds.
        latency_milliseconds: f64,
        /// The connections of this instance.
        pool: PoolView,
        /// The mails that are to be sent.
        mail: MailView,
    }
}

view! {
    /// How mails fare.
    MailView {
        /// How they are sent; null when `MAIL_URL` is missing and they wait.
        way: Option<String>,
        /// How many wait, counted to 1,000.
        waiting: i64,
        /// For how many seconds the oldest of them has waited.
        oldest_seconds: Option<i64>,
    }
}

view! {
    /// How many connections there are.
    PoolView {
        /// The most there may be.
        max: usize,
        /// Open ones.
        open: usize,
        /// Open ones that nobody uses.
        idle: usize,
        /// Requests waiting for one.
        waiting: usize,
    }
}

/// Whether the caller may see the details.
struct Insider(bool);

impl FromRequestParts<App> for Insider {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let knows = bearer(parts).is_some_and(|token| app.is_health_token(token));
        Ok(Self(knows || app.is_development()))
    }
}

impl Part for Insider {
    fn describe(docs: &mut Docs) {
        docs.optional_scheme = Some("healthToken");
    }
}

/// GET /api/health, anyone.
async fn show(
    State(app): State<App>,
    Insider(is_insider): Insider,
    _: Query<Nothing>,
) -> Result<Shown<HealthView>, Problem> {
    let (report, backlog) = match check_with_mails(&app, is_insider).await {
        Ok(report) => report,
        Err(problem) if is_insider => {
            let reason = problem.source_text().unwrap_or_default();
            return Err(problem.with_detail(reason));
        }
        Err(problem) => return Err(problem),
    };
    let details = backlog.map(|backlog| details(&app, report, backlog));
    Ok(Shown::new(HealthView {
        status: "ok",
        details,
    }))
}

/// GET /api/health/live, anyone.
async fn live(_: Query<Nothing>) -> Result<Shown<StatusView>, Problem> {
    Ok(Shown::new(StatusView { status: "ok" }))
}

/// GET /api/health/ready, anyone.
async fn ready(State(app): State<App>, _: Query<Nothing>) -> Result<Shown<StatusView>, Problem> {
    check(&app).await?;
    Ok(Shown::new(StatusView { status: "ok" }))
}

/// Counts the mails in the same round trip, for who may know.
async fn check_with_mails(
    app: &App,
    is_insider: bool,
) -> Result<(Report, Option<Backlog>), Problem> {
    if !is_insider {
        return Ok((check(app).await?, None));
    }
    let read = |connection: Arc<Connection>| async move {
        let (report, backlog) =
            tokio::join!(health::check(&connection), mails::backlog(&connection));
        let report = report?;
        // An older schema has no outbox.
        Ok((
            report,
            if report.is_ready() {
                Some(backlog?)
            } else {
                None
            },
        ))
    };
    let (report, backlog) = app.database.read(read).await?;
    Ok((ready_or_outdated(report)?, backlog))
}

async fn check(app: &App) -> Result<Report, Problem> {
    let report = app
        .database
        .read(|connection| async move { health::check(&connection).await })
        .await?;
    ready_or_outdated(report)
}

fn ready_or_outdated(report: Report) -> Result<Report, Problem> {
    if report.is_ready() {
        Ok(report)
    } else {
        let found = report.schema_version;
        let reason = format!("the schema is at {found}, this build needs {SCHEMA_VERSION}");
        Err(Problem::from(Code::SchemaOutdated).with_source(reason))
    }
}

fn details(app: &App, report: Report, backlog: Backlog) -> DetailsView {
    let figures = app.database.figures();
    DetailsView {
        version: env!("CARGO_PKG_VERSION"),
        schema_version: report.schema_version,
        schema_needed: SCHEMA_VERSION,
        latency_milliseconds: (report.latency.as_secs_f64() * 1e6).round() / 1e3,
        pool: PoolView {
            max: figures.max,
            open: figures.open,
            idle: figures.idle,
            waiting: figures.waiting,
        },
        mail: MailView {
            way: app.mailer.way(),
            waiting: backlog.waiting,
            oldest_seconds: backlog.oldest.map(time::Duration::whole_seconds),
        },
    }
}
