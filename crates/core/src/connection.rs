//! One connection, and the few ways to run a statement on it.
//!
//! Each costs one round trip. Two futures polled together share one, since the driver sends both before it waits.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use deadpool::managed::Object;
use tokio_postgres::Row;

use crate::{Error, Result, client::Manager, spent};

pub(crate) use crate::client::{Parameter, Plan};

/// The longest that one statement may take before its connection is given up.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection from the pool, which it goes back to when dropped.
#[derive(Debug)]
pub struct Connection {
    client: Option<Object<Manager>>,
    unanswered: AtomicUsize,
    is_replicated: bool,
}

impl Connection {
    pub(crate) fn new(client: Object<Manager>, is_replicated: bool) -> Self {
        Self {
            client: Some(client),
            unanswered: AtomicUsize::new(0),
            is_replicated,
        }
    }

    /// Tells whether somebody may read from a replica what is written here.
    pub(crate) fn is_replicated(&self) -> bool {
        self.is_replicated
    }

    /// Runs a reading statement and returns its rows. `context` names it in errors and in the query log.
    pub(crate) async fn rows(
        &self,
        context: &'static str,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        self.rows_by(Plan::Kept, context, statement, parameters)
            .await
    }

    /// Runs a reading statement as [`Connection::rows`] does, and says how it is planned.
    pub(crate) async fn rows_by(
        &self,
        plan: Plan,
        context: &'static str,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        // What writes begins with another word: `insert`, or `with` for a list of them.
        let verb = statement.split_whitespace().next();
        if !matches!(verb, Some("select" | "explain")) {
            return Err(Error::Unaudited(context));
        }
        self.run(plan, context, statement, parameters).await
    }

    /// Runs a reading statement that returns at most one row.
    pub(crate) async fn row(
        &self,
        context: &'static str,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>> {
        let rows = self.rows(context, statement, parameters).await?;
        Ok(rows.into_iter().next())
    }

    /// Runs any statement; what writes comes from [`Connection::change`] alone.
    pub(crate) async fn run(
        &self,
        plan: Plan,
        context: &'static str,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        let Some(client) = &self.client else {
            return Err(Error::unavailable("the connection was given up"));
        };
        let started = Instant::now();
        let under_way = spent::statement(context);
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        // All that waits for it is moved often, and smaller without it.
        let query = Box::pin(client.query(statement, plan, parameters));
        let answer = tokio::time::timeout(STATEMENT_TIMEOUT, query).await;
        drop(under_way);
        let answer = answer.map_err(|_| Error::Slow(context))?;
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        let rows = answer.map_err(|source| Error::from_statement(context, source))?;
        log(
            context,
            statement,
            parameters,
            started.elapsed(),
            rows.len(),
        );
        Ok(rows)
    }
}

impl Drop for Connection {
    /// Closes the connection when a statement on it was abandoned: its next user would wait for that one's answer.
    fn drop(&mut self) {
        if self.unanswered.load(Ordering::Relaxed) > 0
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}

/// The query log of development: the statement with the types of its parameters, never with their values.
fn log(
    context: &'static str,
    statement: &str,
    parameters: &[Parameter<'_>],
    took: Duration,
    rows: usize,
) {
    if tracing::enabled!(target: "usher::sql", tracing::Level::DEBUG) {
        let text = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let types = parameters.iter().map(|(_, kind)| kind.name());
        let types = types.collect::<Vec<_>>().join(", ");
        let milliseconds = took.as_secs_f64() * 1000.0;
        tracing::debug!(target: "usher::sql", "{context} {milliseconds:.1} ms, {rows} rows: {text} -- ({types})");
    }
}
