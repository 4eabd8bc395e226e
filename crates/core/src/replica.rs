//! A streaming replica that takes heavy reads over, and when it is believed.
//!
//! It is asked where it stands just before it is asked for the data, on the same connection without a wait between; the
//! primary is asked the same beside its check of the caller. The data counts when
//!
//! - the server is a replica of this very database and on the timeline of the primary,
//! - it knows of what the caller has seen (the token), and
//! - what it replayed last was committed a moment ago, or nothing was written since.
//!
//! Otherwise the primary is asked, and nobody gets an error. Both times compared are the primary's.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use usher_domain::ConsistencyToken;

use crate::{Connection, Database, Error, ReplicaOptions, Result, spent};

mod standing;

use standing::judge;
pub(crate) use standing::token;
pub use standing::{Outcome, Standing, standing};

/// The longest to wait for a connection to the replica, and then for it to say where it stands.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a replica that is of no use is left alone.
const REST: Duration = Duration::from_secs(5);

/// A replica of a database.
#[derive(Debug)]
pub struct Replica {
    database: Database,
    max_lag: Duration,
    /// Until when it is left alone, when it was of no use.
    rests_until: Mutex<Option<Instant>>,
}

impl Replica {
    /// Makes the pool of a replica without connecting.
    pub fn new(options: ReplicaOptions) -> Self {
        Self {
            database: Database::new(options.url),
            max_lag: options.max_lag,
            rests_until: Mutex::new(None),
        }
    }

    /// Reads data, and where the replica stood before. An error says that there was no answer in time.
    pub async fn read<T, F>(
        &self,
        data: impl Fn(Arc<Connection>) -> F,
    ) -> Result<(Standing, Result<T>)>
    where
        F: Future<Output = Result<T>>,
    {
        match self.ask(&data).await {
            // It was closed meanwhile.
            Err(Error::Unavailable {
                is_closed: true, ..
            }) => self.ask(&data).await,
            other => other,
        }
    }

    async fn ask<T, F>(&self, data: &impl Fn(Arc<Connection>) -> F) -> Result<(Standing, Result<T>)>
    where
        F: Future<Output = Result<T>>,
    {
        let late = |_| Error::unavailable("the replica did not answer within 1 s");
        let connection = tokio::time::timeout(PATIENCE, self.database.connection());
        let connection = Arc::new(connection.await.map_err(late)??);
        let standing = tokio::time::timeout(PATIENCE, standing(&connection));
        let data = data(Arc::clone(&connection));
        // In this order they are sent; without the first answer the second one is not waited for.
        tokio::try_join!(
            biased;
            async { standing.await.map_err(late)? },
            async { Ok(data.await) },
        )
    }

    /// Asks both servers where they stand, and returns whether the replica would be used.
    pub async fn examine(&self, primary: &Database) -> Result<Outcome> {
        let primary = standing(&primary.connection().await?).await?;
        let (replica, _) = self.read(|_| std::future::ready(Ok(()))).await?;
        Ok(judge(&primary, &replica, None, self.max_lag))
    }

    /// Returns the data that was read when it counts, or `None` when the primary has to be asked.
    pub fn believe<T>(
        &self,
        primary: Result<Standing>,
        answer: Result<(Standing, Result<T>)>,
        seen: Option<ConsistencyToken>,
    ) -> Option<Result<T>> {
        let (outcome, data) = match (primary, answer) {
            (Ok(primary), Ok((replica, data))) => {
                (judge(&primary, &replica, seen, self.max_lag), data)
            }
            (Err(error), _) | (_, Err(error)) => (self.without_answer(&error), Err(error)),
        };
        let (outcome, data) = match (outcome, data) {
            // What is too much for the replica is too much for the primary.
            (Outcome::Used, data @ (Ok(_) | Err(Error::Slow(_)))) => (Outcome::Used, Some(data)),
            (outcome, data) => {
                let outcome = match outcome {
                    Outcome::Used => Outcome::Failed,
                    other => other,
                };
                tell(outcome, data.as_ref().err());
                (outcome, None)
            }
        };
        spent::replica(outcome.as_str());
        self.rest_after(outcome);
        data
    }

    /// Tells whether to ask the replica. When its rest is over, one request tries before the others do.
    pub(crate) fn is_worth_asking(&self) -> bool {
        let (mut rests_until, now) = (self.rests_until(), Instant::now());
        let is_worth_asking = rests_until.is_none_or(|until| until <= now);
        if is_worth_asking && rests_until.is_some() {
            *rests_until = Some(now + REST);
        }
        is_worth_asking
    }

    pub(crate) fn close_idle(&self, idle: Duration) {
        self.database.close_idle(idle);
    }

    fn without_answer(&self, error: &Error) -> Outcome {
        let figures = self.database.figures();
        match error {
            Error::Unavailable { .. } | Error::Slow(_) => {
                if figures.idle == 0 && figures.open == figures.max {
                    Outcome::Busy
                } else {
                    Outcome::Away
                }
            }
            _ => Outcome::Foreign,
        }
    }

    fn rest_after(&self, outcome: Outcome) {
        match outcome {
            Outcome::Used | Outcome::Behind | Outcome::Failed => *self.rests_until() = None,
            Outcome::Busy => {}
            Outcome::Lagging | Outcome::Foreign | Outcome::Away => {
                *self.rests_until() = Some(Instant::now() + REST);
            }
        }
    }

    fn rests_until(&self) -> MutexGuard<'_, Option<Instant>> {
        let rests_until = self.rests_until.lock();
        rests_until.unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(outcome: Outcome, error: Option<&Error>) {
    let error = error.map(|error| error as &dyn std::error::Error);
    match outcome {
        Outcome::Used | Outcome::Behind | Outcome::Busy => {}
        Outcome::Foreign => tracing::error!(
            error,
            "DATABASE_REPLICA_URL leads to no replica of the database of DATABASE_URL, or not yet since a failover"
        ),
        Outcome::Lagging | Outcome::Away | Outcome::Failed => {
            let outcome = outcome.as_str();
            tracing::warn!(
                error,
                outcome,
                "the replica is of no use, so the primary answers"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatabaseUrl;

    #[tokio::test]
    async fn after_a_rest_one_request_tries_first() {
        let replica = Replica::new(ReplicaOptions {
            url: DatabaseUrl::parse("postgres://nobody@127.0.0.1:1/none", false).unwrap(),
            max_lag: Duration::from_secs(10),
        });
        assert!(replica.is_worth_asking() && replica.is_worth_asking());
        replica.rest_after(Outcome::Away);
        assert!(!replica.is_worth_asking());
        *replica.rests_until() = Some(Instant::now());
        assert!(replica.is_worth_asking() && !replica.is_worth_asking());
        replica.rest_after(Outcome::Behind);
        assert!(replica.is_worth_asking() && replica.is_worth_asking());
    }
}
