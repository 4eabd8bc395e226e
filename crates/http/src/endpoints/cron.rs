//! `/api/cron/…`: what a scheduler calls. It shows the secret of `CRON_SECRET`; without the variable there is nothing here.

use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use usher_core::{Author, accounts, factors, maintenance, retention};
use usher_domain::{Action, Origin};
use usher_mail::Pace;

use crate::{
    App, Code, Operations, Problem,
    access::{Access, bearer},
    answer::{Shown, view},
    describe::{Docs, Part},
    origin,
};

pub(crate) fn maintain() -> Operations {
    Operations::default()
        .get(
            "Removes accounts whose deletion is due, analyzes tables, makes partitions, drops old months of the audit log, old keys and old sessions, as much as fits into one call.",
            run,
        )
        .audits(Action::Maintain)
        .fails_with(&[Code::DatabaseUnavailable, Code::SchemaOutdated])
}

pub(crate) fn mails() -> Operations {
    Operations::default()
        .get(
            "Sends mails that were not sent after their answers, and removes what is over: one-time secrets, challenges, changes of addresses, deletions, invitations, API keys and counts.",
            send,
        )
        .fails_with(&[Code::DatabaseUnavailable, Code::SchemaOutdated])
}

view! {
    /// What was done to the database.
    MaintenanceView {
        /// The tables that have fresh statistics now.
        analyzed: Vec<String>,
        /// How many partitions of the audit log were made.
        partitions: i32,
        /// The months of the audit log that were dropped, such as `2025-01`.
        dropped: Vec<String>,
        /// How many idempotency keys were removed, whose day is over.
        forgotten: i32,
        /// How many sessions were removed that were over a month ago.
        sessions: i32,
        /// What the next call goes on with; what stays there is for `usher maintain`.
        remaining: Vec<String>,
    }
}

view! {
    /// What became of the mails of the outbox.
    MailsView {
        /// How many were sent.
        sent: u32,
        /// How many could not be sent now, and are tried again.
        put_off: u32,
        /// How many could not be sent for a day, and were given up.
        given_up: u32,
    }
}

/// The scheduler of the platform.
struct Scheduler {
    origin: Origin,
}

impl FromRequestParts<App> for Scheduler {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if !app.has_cron_secret() {
            return Err(Code::NotFound.into());
        }
        if !app.is_cron_secret(bearer(parts).unwrap_or_default()) {
            let detail = "Send `Authorization: Bearer` with the value of CRON_SECRET.";
            return Err(Problem::from(Code::Unauthenticated).with_detail(detail));
        }
        Ok(Self {
            origin: origin::origin(parts),
        })
    }
}

impl Part for Scheduler {
    fn describe(docs: &mut Docs) {
        docs.access = Access::Scheduler;
        docs.codes.extend([Code::NotFound, Code::Unauthenticated]);
    }
}

/// GET /api/cron/maintain, the scheduler, MAINTAIN, and DELETE for each account that is due.
async fn run(
    State(app): State<App>,
    scheduler: Scheduler,
) -> Result<Shown<MaintenanceView>, Problem> {
    let connection = app.database.connection().await?;
    let author = Author::nobody(&scheduler.origin);
    // Both are sent at once, and waited for once.
    let ((), done) = tokio::try_join!(
        accounts::remove_due(&connection, author),
        maintenance::run(&connection, author),
    )?;
    Ok(Shown::new(MaintenanceView {
        analyzed: done.analyzed,
        partitions: done.partitions,
        dropped: done.dropped,
        forgotten: done.forgotten,
        sessions: done.sessions,
        remaining: done.remaining,
    }))
}

/// GET /api/cron/mails, the scheduler, `MAIL_FAILED` for each mail that is given up.
async fn send(State(app): State<App>, scheduler: Scheduler) -> Result<Shown<MailsView>, Problem> {
    let connection = app.database.connection().await?;
    let reseal = async {
        factors::reseal(&connection, &app.secret).await?;
        Ok(())
    };
    // Both are sent at once, and waited for once.
    tokio::try_join!(retention::remove(&connection), reseal,)?;
    drop(connection);
    let origin = &scheduler.origin;
    let drained = app
        .mailer
        .drain(&app.database, origin, Pace::ANSWERING)
        .await?;
    // What was too much for one answer is sent after it.
    app.mailer.notice();
    Ok(Shown::new(MailsView {
        sent: drained.sent,
        put_off: drained.put_off,
        given_up: drained.given_up,
    }))
}
