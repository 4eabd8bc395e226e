//! Hangs up on the database before the platform suspends the instance.
//!
//! A suspended process cannot close its connections, and the database keeps counting them. So the last
//! request of a burst holds the instance a little longer and closes what nobody has used meanwhile.

use std::time::Duration;
use tokio::{sync::watch, task::yield_now, time::sleep};
use usher_http::App;

/// Long enough that a caller who clicks through pages finds a connection, short against a suspension.
const AFTER: Duration = Duration::from_secs(10);

/// Knows when the last request was, and whether there will be another one.
pub(crate) struct Idle {
    after: Duration,
    is_connected: Box<dyn Fn() -> bool + Send + Sync>,
    close: Box<dyn Fn() + Send + Sync>,
    /// Counts requests.
    newest: watch::Sender<u64>,
    is_stopping: watch::Sender<bool>,
}

impl Idle {
    /// Watches over the connections of an instance.
    pub(crate) fn new(app: &App) -> Self {
        let (asked, closed) = (app.database.clone(), app.database.clone());
        let is_connected = move || asked.figures().open > 0;
        Self::closing(AFTER, is_connected, move || closed.close_idle(AFTER))
    }

    fn closing(
        after: Duration,
        is_connected: impl Fn() -> bool + Send + Sync + 'static,
        close: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            after,
            is_connected: Box::new(is_connected),
            close: Box::new(close),
            newest: watch::Sender::new(0),
            is_stopping: watch::Sender::new(false),
        }
    }

    /// Notes that there is a newer request; it relieves the one that waits.
    pub(crate) fn begin(&self) {
        self.newest
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Notes that the process is to stop: nobody waits any more.
    pub(crate) fn stop(&self) {
        self.is_stopping.send_replace(true);
    }

    /// Waits for a newer request, and closes the connections if none comes; of requests that end together
    /// only the last one waits. Ends at once when there is nothing to close, or the process is to stop.
    pub(crate) async fn end(&self) {
        self.begin();
        if !(self.is_connected)() {
            return;
        }
        let mut newest = self.newest.subscribe();
        let is_last = tokio::select! {
            () = sleep(self.after) => true,
            _ = newest.changed() => false,
            () = self.stopped() => false,
        };
        if is_last {
            (self.close)();
            // The sockets belong to tasks of their own: it is their turn before the platform hears of the end.
            yield_now().await;
        }
    }

    async fn stopped(&self) {
        let mut is_stopping = self.is_stopping.subscribe();
        // The sender lives as long as this.
        let _ = is_stopping.wait_for(|is_stopping| *is_stopping).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    };

    fn idle(after: Duration, is_connected: bool) -> (Idle, Arc<AtomicU8>) {
        let closed = Arc::new(AtomicU8::new(0));
        let counter = Arc::clone(&closed);
        let close = move || {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        (Idle::closing(after, move || is_connected, close), closed)
    }

    #[tokio::test]
    async fn the_last_request_closes_the_connections() {
        let (idle, closed) = idle(Duration::ZERO, true);
        idle.begin();
        idle.end().await;
        assert_eq!(closed.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_newer_request_relieves_the_older_one() {
        let (idle, closed) = idle(Duration::from_hours(1), true);
        idle.begin();
        tokio::join!(idle.end(), async { idle.begin() });
        assert_eq!(closed.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn nobody_waits_in_a_process_that_is_to_stop() {
        let (idle, closed) = idle(Duration::from_hours(1), true);
        tokio::join!(idle.end(), async { idle.stop() });
        idle.end().await;
        assert_eq!(closed.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn nobody_waits_without_a_connection() {
        let (idle, closed) = idle(Duration::from_hours(1), false);
        idle.end().await;
        assert_eq!(closed.load(Ordering::Relaxed), 0);
    }
}
