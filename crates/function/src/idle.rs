//! Hangs up on the database before the platform suspends the instance.
//!
//! A suspended process cannot close its connections, and the database keeps counting them. So the last
//! request of a burst holds the instance a little longer and closes what nobody has used meanwhile.

use crate::stop::terminated;
use std::time::Duration;
use tokio::{sync::watch, time::sleep};
use usher_http::App;

/// Long enough that a caller who clicks through pages finds a connection, short against a suspension.
const AFTER: Duration = Duration::from_secs(10);

/// Knows when the last request was.
pub(crate) struct Idle {
    after: Duration,
    close: Box<dyn Fn() + Send + Sync>,
    /// Counts requests.
    newest: watch::Sender<u64>,
}

impl Idle {
    /// Watches over the connections of an instance.
    pub(crate) fn new(app: App) -> Self {
        Self::closing(AFTER, move || app.close_idle(AFTER))
    }

    fn closing(after: Duration, close: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            after,
            close: Box::new(close),
            newest: watch::Sender::new(0),
        }
    }

    /// Notes that there is a newer request; it relieves the one that waits.
    pub(crate) fn begin(&self) {
        self.newest
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits for a newer request, and closes the connections if none comes; of requests that end together
    /// only the last one waits. Ends at once when the process is told to stop.
    pub(crate) async fn end(&self) {
        self.begin();
        let mut newest = self.newest.subscribe();
        tokio::select! {
            () = sleep(self.after) => (self.close)(),
            _ = newest.changed() => {}
            () = terminated() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    };

    fn idle(after: Duration) -> (Idle, Arc<AtomicU8>) {
        let closed = Arc::new(AtomicU8::new(0));
        let counter = Arc::clone(&closed);
        let close = move || {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        (Idle::closing(after, close), closed)
    }

    #[tokio::test]
    async fn the_last_request_closes_the_connections() {
        let (idle, closed) = idle(Duration::ZERO);
        idle.begin();
        idle.end().await;
        assert_eq!(closed.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_newer_request_relieves_the_older_one() {
        let (idle, closed) = idle(Duration::from_hours(1));
        idle.begin();
        tokio::join!(idle.end(), async { idle.begin() });
        assert_eq!(closed.load(Ordering::Relaxed), 0);
    }
}
