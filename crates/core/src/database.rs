//! The pool of connections of one instance, made for a life of short bursts between long freezes.
//!
//! It connects to nothing until the first statement, so a database that is away at the start poisons nothing. It is
//! small, and hands out the connection used last. After a pause its connections are not trusted: the instance may have
//! been frozen while the other end hung up.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use deadpool::{
    Runtime,
    managed::{Hook, HookError, QueueMode},
};
use once_cell::sync::OnceCell;

use crate::{
    Connection, DatabaseUrl, Error, Replica, Result,
    client::{Client, Manager},
    spent,
};

type Pool = deadpool::managed::Pool<Manager>;

/// Everything from asking for a connection to having it, whatever the connection string allows for its parts.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A pool unused for this long is emptied before it is used again.
const FREEZE: Duration = Duration::from_secs(30);
/// A connection older than this is replaced, so that load spreads after a failover.
const MAX_AGE: Duration = Duration::from_mins(5);
/// A connection idle for longer than this is asked for a sign of life.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_millis(250);
/// When the server ends one connection after the other, two in a row are soon met.
const READ_TRIES: usize = 3;

/// The database of this instance. Clones share one pool.
#[derive(Clone, Debug)]
pub struct Database {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    url: DatabaseUrl,
    pool: OnceCell<Pool>,
    /// When a connection was last asked for.
    last_use: Mutex<Moment>,
    replica: Option<Replica>,
}

/// A moment by two clocks: the steady one may stand still while the machine is frozen, the other one may be set.
#[derive(Clone, Copy, Debug)]
struct Moment {
    wall: SystemTime,
    steady: Instant,
}

impl Moment {
    fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            steady: Instant::now(),
        }
    }

    /// Tells whether the other end may have hung up between this moment and a later one without being noticed.
    fn is_long_before(self, later: Self) -> bool {
        let wall = later.wall.duration_since(self.wall);
        let wall = wall.unwrap_or_else(|set_back| set_back.duration());
        let steady = later.steady.duration_since(self.steady);
        // What the steady clock has seen of a shorter pause, the check of each connection sees too.
        wall > FREEZE || wall.saturating_sub(steady) > TRUSTED_IDLE
    }
}

/// How many connections there are.
#[derive(Clone, Copy, Debug)]
pub struct PoolFigures {
    /// The most there may be.
    pub max: usize,
    /// Open ones, in use or idle.
    pub open: usize,
    /// Idle ones.
    pub idle: usize,
    /// Requests waiting for one.
    pub waiting: usize,
}

impl Database {
    /// Makes the pool without connecting.
    pub fn new(url: DatabaseUrl) -> Self {
        Self::replicated(url, None)
    }

    /// Makes the pool of a database that may have a replica.
    pub fn replicated(url: DatabaseUrl, replica: Option<Replica>) -> Self {
        Self {
            shared: Arc::new(Shared {
                url,
                pool: OnceCell::new(),
                last_use: Mutex::new(Moment::now()),
                replica,
            }),
        }
    }

    /// Returns the replica, unless there is none or it is better left alone.
    pub fn replica(&self) -> Option<&Replica> {
        let replica = self.shared.replica.as_ref()?;
        let is_worth_asking = replica.is_worth_asking();
        if !is_worth_asking {
            spent::replica("resting");
        }
        is_worth_asking.then_some(replica)
    }

    /// Returns a connection that answers, waiting at most 5 seconds; it may be the first statement that connects.
    pub async fn connection(&self) -> Result<Connection> {
        let pool = self.pool()?;
        self.distrust_after_freeze(pool);
        let acquired = tokio::time::timeout(ACQUIRE_TIMEOUT, pool.get());
        let acquired = spent::connection(acquired).await;
        let client = acquired.map_err(|_| Error::unavailable("no connection within 5 s"))??;
        Ok(Connection::new(client, self.shared.replica.is_some()))
    }

    /// Runs a read, and again on another connection when one turns out to be closed, three times at most.
    pub async fn read<T, F>(&self, read: impl Fn(Arc<Connection>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        for _ in 1..READ_TRIES {
            let outcome = self.read_once(&read).await;
            if !outcome.as_ref().is_err_and(Error::is_closed) {
                return outcome;
            }
        }
        self.read_once(&read).await
    }

    async fn read_once<T, F>(&self, read: &impl Fn(Arc<Connection>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        read(Arc::new(self.connection().await?)).await
    }

    /// Returns the figures of the pool.
    pub fn figures(&self) -> PoolFigures {
        let status = self.shared.pool.get().map(Pool::status);
        PoolFigures {
            max: self.shared.url.pool_size,
            open: status.map_or(0, |status| status.size),
            idle: status.map_or(0, |status| status.available),
            waiting: status.map_or(0, |status| status.waiting),
        }
    }

    /// Closes connections that have been idle for this long or longer; before a freeze, nobody hangs up for them.
    pub fn close_idle(&self, idle: Duration) {
        if let Some(pool) = self.shared.pool.get() {
            pool.retain(|_, metrics| metrics.last_used() < idle);
        }
        if let Some(replica) = &self.shared.replica {
            replica.close_idle(idle);
        }
    }

    fn pool(&self) -> Result<&Pool> {
        self.shared.pool.get_or_try_init(|| build(&self.shared.url))
    }

    fn distrust_after_freeze(&self, pool: &Pool) {
        let last_use = self.shared.last_use.lock();
        // Held until the pool is empty: nobody takes an old connection out meanwhile.
        let mut last_use = last_use.unwrap_or_else(PoisonError::into_inner);
        let now = Moment::now();
        if last_use.is_long_before(now) {
            pool.retain(|_, _| false);
        }
        *last_use = now;
    }
}

fn build(url: &DatabaseUrl) -> Result<Pool> {
    let manager = Manager::new(url).map_err(|error| Error::unavailable(error.to_string()))?;
    Pool::builder(manager)
        .max_size(url.pool_size)
        .wait_timeout(Some(url.pool_wait))
        .create_timeout(url.driver.get_connect_timeout().copied())
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .pre_recycle(Hook::async_fn(|client, metrics| {
            let (age, idle) = (metrics.age(), metrics.last_used());
            Box::pin(check(client, age, idle))
        }))
        .build()
        .map_err(|error| Error::unavailable(error.to_string()))
}

/// Lets a used connection be used again. Only one that has been idle pays a round trip for it.
async fn check(
    client: &Client,
    age: Duration,
    idle: Duration,
) -> std::result::Result<(), HookError<tokio_postgres::Error>> {
    if age > MAX_AGE {
        return Err(HookError::message("too old"));
    }
    if idle <= TRUSTED_IDLE {
        return Ok(());
    }
    match tokio::time::timeout(PING_TIMEOUT, client.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(HookError::Backend(error)),
        Err(_) => Err(HookError::message("no sign of life")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether connections are given up after so many seconds by each clock.
    fn is_given_up(wall: f64, steady: f64) -> bool {
        let before = Moment::now();
        let later = |wall| Moment {
            wall,
            steady: before.steady + Duration::from_secs_f64(steady),
        };
        let by = Duration::from_secs_f64(wall.abs());
        before.is_long_before(later(if wall < 0.0 {
            before.wall - by
        } else {
            before.wall + by
        }))
    }

    #[test]
    fn a_pause_that_both_clocks_saw_is_left_to_the_check_unless_it_was_long() {
        assert!(!is_given_up(0.5, 0.5));
        assert!(!is_given_up(29.0, 29.0));
        assert!(is_given_up(31.0, 31.0));
    }

    #[test]
    fn a_jump_of_the_wall_clock_is_a_freeze_that_the_steady_one_slept_through() {
        assert!(is_given_up(5.0, 0.1));
        assert!(is_given_up(-3600.0, 0.1));
        assert!(
            !is_given_up(-0.2, 0.1),
            "a clock is set by a little all the time"
        );
    }
}
