//! Where a request came from, as the audit log keeps it.

use std::{fmt, net::IpAddr};

use crate::text::is_unprintable;

/// What is known of a request beside its content.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address of the caller, from the platform alone.
    pub ip: Option<IpAddr>,
    /// The program the caller says it is.
    pub user_agent: Option<UserAgent>,
    /// The id of the request.
    pub request_id: RequestId,
}

/// The id of one request: 1 to 64 characters of `A-Z a-z 0-9 - _ .` and `:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Takes a caller's id when it is well formed.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let is_well_formed = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
        is_well_formed.then(|| Self(text.to_owned()))
    }

    /// Returns the id of a request that has none.
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name a program gives itself: printable characters only, cut after 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent(String);

impl UserAgent {
    /// Takes what is printable of a name; nothing is refused, since nothing depends on it.
    pub fn from_text(text: &str) -> Self {
        Self(
            text.chars()
                .filter(|&character| !is_unprintable(character))
                .take(400)
                .collect(),
        )
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
