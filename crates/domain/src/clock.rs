//! The time of day as this process sees it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::SystemTime,
};

use time::{Duration, OffsetDateTime};

/// Tells the time. Clones share one clock, which tests can move.
///
/// It dates access tokens only. Whatever is stored is dated by the database, whose clock all instances share.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// Returns the time now, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        let offset = Duration::seconds(self.offset_seconds.load(Ordering::Relaxed));
        OffsetDateTime::from(SystemTime::now()) + offset
    }

    /// Moves the clock: forward, or back when negative.
    pub fn advance(&self, by: Duration) {
        self.offset_seconds
            .fetch_add(by.whole_seconds(), Ordering::Relaxed);
    }
}
