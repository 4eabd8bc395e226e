//! Connections of the pool, and how a statement is put on one: always in one round trip.
//!
//! Sent without a name, a statement works behind every pooler, and is planned for the values that it has. Where the other
//! end is the server itself, most statements are prepared under a name instead, so that their plan is kept. A connection
//! finds out by itself, and learns a name, beside the statement it is asked for. See `docs/adr/0010`.

use std::{
    future::ready,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use deadpool::managed::{self, Metrics, RecycleResult};
use deadpool_postgres::{ClientWrapper, ManagerConfig, RecyclingMethod};
use tokio_postgres::{
    Error, NoTls, Row, Statement,
    config::SslMode,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::{DatabaseUrl, UrlError, tls};

mod direct;

/// The most statements that a connection keeps. Lists come in more shapes, but nobody uses all of them.
const KEPT: usize = 100;

/// A parameter with the type it is sent as.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// How a statement is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Once for all values, where that can be kept.
    Kept,
    /// Each time, since the best plan depends on the values.
    Anew,
}

/// Opens connections for the pool.
#[derive(Debug)]
pub(crate) struct Manager {
    opens: deadpool_postgres::Manager,
    prepares: Option<bool>,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Client {
    wrapped: ClientWrapper,
    /// Whether statements are prepared under names.
    prepares: AtomicBool,
    /// Whether nobody has asked yet what the other end is.
    is_unproven: AtomicBool,
}

impl Manager {
    pub(crate) fn new(url: &DatabaseUrl) -> Result<Self, UrlError> {
        let method = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let driver = url.driver.clone();
        let opens = if driver.get_ssl_mode() == SslMode::Disable {
            deadpool_postgres::Manager::from_config(driver, NoTls, method)
        } else {
            deadpool_postgres::Manager::from_config(driver, tls::connector(url)?, method)
        };
        Ok(Self {
            opens,
            prepares: url.prepares,
        })
    }
}

impl managed::Manager for Manager {
    type Type = Client;
    type Error = Error;

    async fn create(&self) -> Result<Client, Error> {
        Ok(Client {
            wrapped: self.opens.create().await?,
            prepares: AtomicBool::new(self.prepares.unwrap_or_default()),
            is_unproven: AtomicBool::new(self.prepares.is_none()),
        })
    }

    async fn recycle(&self, client: &mut Client, metrics: &Metrics) -> RecycleResult<Error> {
        self.opens.recycle(&mut client.wrapped, metrics).await
    }

    fn detach(&self, client: &mut Client) {
        self.opens.detach(&mut client.wrapped);
    }
}

impl Client {
    /// Asks for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.wrapped.simple_query("").await.map(drop)
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn query(
        &self,
        statement: &str,
        plan: Plan,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        if plan == Plan::Kept {
            if self.is_unproven.swap(false, Ordering::Relaxed) {
                return self.query_and_prove(statement, parameters).await;
            }
            if self.prepares.load(Ordering::Relaxed)
                && let Some(rows) = self.query_kept(statement, parameters).await
            {
                return rows;
            }
        }
        self.wrapped.query_typed(statement, parameters).await
    }

    /// Runs the first statement, and finds out beside it what the other end is.
    async fn query_and_prove(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        let unnamed = self.wrapped.query_typed(statement, parameters);
        let (rows, is_direct) = tokio::join!(unnamed, direct::is_direct(&self.wrapped));
        let is_direct = is_direct.unwrap_or_default();
        self.prepares.store(is_direct, Ordering::Relaxed);
        rows
    }

    /// Runs a statement by its name, or gives it one beside running it. `None` says that the name was lost, and that
    /// nothing was run.
    async fn query_kept(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Option<Result<Vec<Row>, Error>> {
        let types: Vec<_> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
        let mut prepared = pin!(self.wrapped.prepare_typed_cached(statement, &types));
        let known = tokio::select! {
            biased;
            known = &mut prepared => Some(known),
            // It is on its way to the server now, and is not waited for alone.
            () = ready(()) => None,
        };
        match known {
            Some(Ok(known)) => match self.query_named(&known, parameters).await {
                Err(error) if self.is_lost(&error, statement, &types) => None,
                rows => Some(rows),
            },
            Some(Err(error)) => Some(Err(error)),
            None => {
                let unnamed = self.wrapped.query_typed(statement, parameters);
                let (rows, prepared) = tokio::join!(unnamed, prepared);
                if rows.is_ok() && prepared.is_err() {
                    // Somebody else has the name, so that this is no session of its own.
                    self.prepares.store(false, Ordering::Relaxed);
                }
                if self.wrapped.statement_cache.size() > KEPT {
                    self.wrapped.statement_cache.clear();
                }
                Some(rows)
            }
        }
    }

    async fn query_named(
        &self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        let values: Vec<_> = parameters.iter().map(|(value, _)| *value).collect();
        self.wrapped.query(statement, &values).await
    }

    /// Tells whether a statement was not run since its name no longer stands for it, and draws the conclusion.
    fn is_lost(&self, error: &Error, statement: &str, types: &[Type]) -> bool {
        let Some(error) = error.as_db_error() else {
            return false;
        };
        if *error.code() == SqlState::INVALID_SQL_STATEMENT_NAME {
            // Somebody discarded it, or this is not the session that it was prepared in.
            self.prepares.store(false, Ordering::Relaxed);
            return true;
        }
        // A column that it returns has another type by now.
        let is_stale = *error.code() == SqlState::FEATURE_NOT_SUPPORTED
            && error.routine() == Some("RevalidateCachedQuery");
        if is_stale {
            self.wrapped.statement_cache.remove(statement, types);
        }
        is_stale
    }
}
