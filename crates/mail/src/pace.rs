//! How long mails may take, by who waits for them.

use std::time::Duration;

/// How long mails may take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After this time no other mail is begun.
    pub(crate) limit: Duration,
    /// The longest that one mail may take.
    pub(crate) each: Duration,
}

impl Pace {
    /// While a caller waits: the answer has to come within 8 seconds.
    pub const ANSWERING: Self = Self {
        limit: Duration::from_secs(2),
        each: Duration::from_secs(4),
    };
    /// After the answer: a platform ends what takes 30 seconds.
    pub const ANSWERED: Self = Self {
        limit: Duration::from_secs(10),
        each: Duration::from_secs(10),
    };
}
