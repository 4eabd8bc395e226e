//! What a request spends on the database: how often it waits for it, and how long. And what comes of it for a replica.
//!
//! Statements that are under way together are one wait: the driver sends them all before it reads an answer. So the
//! number of waits is the number of round trips.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use usher_domain::ConsistencyToken;

tokio::task_local! {
    static METER: Meter;
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often it was waited for statements.
    pub waits: u32,
    /// How long it was waited for statements.
    pub statements: Duration,
    /// How long it was waited for a connection: for one to be free, or to be opened.
    pub connections: Duration,
    /// What a replica has to know of so that it shows what was written; `None` when nothing was, or there is none.
    pub written: Option<ConsistencyToken>,
    /// What came of asking the replica, in one word.
    pub replica: Option<&'static str>,
    /// Whether there is a new mail to send.
    pub mailed: bool,
    /// What the caller may still do, where that is limited.
    pub allowance: Option<Allowance>,
}

/// What a limit leaves to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The limit.
    pub limit: &'static str,
    /// How many requests it allows.
    pub requests: i32,
    /// In how many seconds.
    pub seconds: i32,
    /// How many are left now.
    pub remaining: i32,
    /// In how many seconds all are, or when nothing is left, the next one.
    pub reset: i32,
}

/// A statement that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Its name.
    pub name: &'static str,
    /// When it was sent.
    pub at: Instant,
    /// How long its answer took, or until it was given up.
    pub took: Duration,
}

/// Counts for one task.
#[derive(Default)]
struct Meter {
    spent: Cell<Spent>,
    queries: RefCell<Vec<Query>>,
    under_way: Cell<u32>,
    since: Cell<Option<Instant>>,
}

/// A statement under way; it is over when this is dropped.
pub(crate) struct Statement {
    name: &'static str,
    at: Instant,
}

/// Runs a future, and returns what it spent and what it sent together with what it returned.
pub async fn measure<F: Future>(future: F) -> (F::Output, Spent, Vec<Query>) {
    let measured = async {
        let output = future.await;
        METER.with(|meter| (output, meter.spent.get(), meter.queries.take()))
    };
    METER.scope(Meter::default(), measured).await
}

/// Notes that a statement of this name begins.
pub(crate) fn statement(name: &'static str) -> Statement {
    let at = Instant::now();
    // Without a meter nobody asked.
    let _ = METER.try_with(|meter| {
        if meter.under_way.get() == 0 {
            meter.since.set(Some(at));
            meter.add(|spent| spent.waits += 1);
        }
        meter.under_way.set(meter.under_way.get() + 1);
    });
    Statement { name, at }
}

impl Drop for Statement {
    fn drop(&mut self) {
        let _ = METER.try_with(|meter| {
            meter.queries.borrow_mut().push(Query {
                name: self.name,
                at: self.at,
                took: self.at.elapsed(),
            });
            meter.under_way.set(meter.under_way.get().saturating_sub(1));
            if meter.under_way.get() == 0
                && let Some(since) = meter.since.take()
            {
                meter.add(|spent| spent.statements += since.elapsed());
            }
        });
    }
}

/// Runs a future that acquires a connection.
pub(crate) async fn connection<F: Future>(future: F) -> F::Output {
    let started = Instant::now();
    let output = future.await;
    let _ = METER.try_with(|meter| meter.add(|spent| spent.connections += started.elapsed()));
    output
}

/// Notes what a replica has to know of from now on.
pub(crate) fn written(token: ConsistencyToken) {
    let _ = METER.try_with(|meter| meter.add(|spent| spent.written = Some(token)));
}

/// Notes what came of asking the replica.
pub(crate) fn replica(outcome: &'static str) {
    let _ = METER.try_with(|meter| meter.add(|spent| spent.replica = Some(outcome)));
}

/// Notes that there is a new mail to send.
pub(crate) fn mailed() {
    let _ = METER.try_with(|meter| meter.add(|spent| spent.mailed = true));
}

/// Notes what a limit leaves to the caller.
pub(crate) fn allowance(allowance: Allowance) {
    let _ = METER.try_with(|meter| meter.add(|spent| spent.allowance = Some(allowance)));
}

impl Meter {
    fn add(&self, add: impl FnOnce(&mut Spent)) {
        let mut spent = self.spent.get();
        add(&mut spent);
        self.spent.set(spent);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const STEP: Duration = Duration::from_millis(5);

    async fn wait() {
        let _statement = statement("wait");
        sleep(STEP).await;
    }

    #[tokio::test]
    async fn what_is_under_way_together_is_one_wait() {
        let ((), spent, queries) = measure(async {
            tokio::join!(wait(), wait(), wait());
            wait().await;
            connection(sleep(STEP)).await;
        })
        .await;
        assert_eq!((spent.waits, queries.len()), (2, 4));
        assert!(
            queries
                .iter()
                .all(|query| query.name == "wait" && query.took >= STEP)
        );
        assert!(
            spent.statements >= 2 * STEP && spent.connections >= STEP,
            "{spent:?}"
        );
    }

    #[tokio::test]
    async fn what_is_given_up_is_over_and_nothing_is_counted_for_others() {
        let ((), spent, _) = measure(async {
            let _ = tokio::time::timeout(Duration::ZERO, wait()).await;
            wait().await;
        })
        .await;
        assert_eq!(spent.waits, 2);
        wait().await;
        let ((), others, queries) = measure(async {}).await;
        assert!(queries.is_empty());
        assert_eq!(others, Spent::default());
    }
}
