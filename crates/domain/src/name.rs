//! The name of a person.

use std::fmt;

use serde::Serialize;

use crate::{Invalid, text};

/// A person's name, 1 to 120 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Name(String);

impl Name {
    /// The most characters a name may have.
    pub const MAX_CHARACTERS: usize = 120;

    /// Checks a name; space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text::line(text, Self::MAX_CHARACTERS).map(|name| Self(name.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
