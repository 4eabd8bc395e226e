//! API keys: what machines sign their requests with, in the name of a user.

use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

use crate::{ApiKeyId, Diff, Invalid, Permissions, text};

/// What an API key is called, 1 to 64 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyName(String);

impl KeyName {
    /// The most characters a name may have.
    pub const MAX_CHARACTERS: usize = 64;

    /// Checks a name; space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text::line(text, Self::MAX_CHARACTERS).map(|name| Self(name.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// For how many days an API key is good: 1 to 365.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDays(i32);

impl KeyDays {
    /// The most days.
    pub const MAX: i32 = 365;

    /// Checks a number of days.
    pub fn new(days: i64) -> Result<Self, Invalid> {
        let invalid = Invalid::new("days", "must be a whole number from 1 to 365");
        match i32::try_from(days) {
            Ok(days) if (1..=Self::MAX).contains(&days) => Ok(Self(days)),
            _ => Err(invalid),
        }
    }

    /// Returns the days.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl Default for KeyDays {
    /// 90 days.
    fn default() -> Self {
        Self(90)
    }
}

/// For how many hours the secret that a rotation replaces stays good: 0 to 168, which is a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap(i32);

impl Overlap {
    /// The most hours.
    pub const MAX: i32 = 168;

    /// Checks a number of hours.
    pub fn new(hours: i64) -> Result<Self, Invalid> {
        let invalid = Invalid::new("hours", "must be a whole number from 0 to 168");
        match i32::try_from(hours) {
            Ok(hours) if (0..=Self::MAX).contains(&hours) => Ok(Self(hours)),
            _ => Err(invalid),
        }
    }

    /// Returns the hours.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl Default for Overlap {
    /// 24 hours.
    fn default() -> Self {
        Self(24)
    }
}

/// An API key, without its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: KeyName,
    /// What it may do at the most.
    pub scopes: Permissions,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it is good no more.
    pub expires_at: OffsetDateTime,
    /// When it was last used, to the hour.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it got the secret that is in force, if that is not the first one.
    pub rotated_at: Option<OffsetDateTime>,
    /// Until when the secret before that is good.
    pub previous_until: Option<OffsetDateTime>,
}

/// An API key to be.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What its owner calls it.
    pub name: KeyName,
    /// What it may do at the most.
    pub scopes: Permissions,
    /// For how long it is good.
    pub days: KeyDays,
}

impl NewApiKey {
    /// Returns everything the audit log keeps of a key that comes.
    pub fn created(&self) -> Diff {
        Diff::created(json!({
            "name": self.name,
            "scopes": self.scopes,
            "days": self.days.get(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_for_a_day_to_a_year() {
        assert_eq!(KeyDays::default().get(), 90);
        for days in [1, 365] {
            assert_eq!(
                KeyDays::new(days).map(KeyDays::get),
                Ok(i32::try_from(days).unwrap())
            );
        }
        for days in [0, -1, 366, i64::MAX, i64::MIN] {
            assert_eq!(KeyDays::new(days).unwrap_err().code, "days");
        }
    }

    #[test]
    fn two_secrets_are_good_for_a_week_at_most() {
        assert_eq!(Overlap::default().get(), 24);
        for hours in [0, 168] {
            assert_eq!(
                Overlap::new(hours).map(Overlap::get),
                Ok(i32::try_from(hours).unwrap())
            );
        }
        for hours in [-1, 169, i64::MAX, i64::MIN] {
            assert_eq!(Overlap::new(hours).unwrap_err().code, "hours");
        }
    }
}
