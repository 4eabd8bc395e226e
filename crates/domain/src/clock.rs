//! The time of day as this process sees it.

use std::time::SystemTime;

use time::OffsetDateTime;

/// Tells the time of this machine, for names of files and versions, for which of the secrets makes, and for the order in
/// which keys are published.
///
/// Nothing that is stored or checked goes by it, access tokens included: the database dates those, whose clock all
/// instances share. All secrets are read, whichever makes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(());

impl Clock {
    /// Returns the time now, in UTC.
    pub fn now(self) -> OffsetDateTime {
        SystemTime::now().into()
    }
}
