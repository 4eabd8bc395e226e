//! What people call their passkeys, and what ceremonies are for.

use std::fmt;

use serde::Serialize;

use crate::{Invalid, text};

/// The name of a passkey, 1 to 64 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PasskeyName(String);

impl PasskeyName {
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

impl fmt::Display for PasskeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a ceremony is for; its challenge is refused for everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceremony {
    /// Adds a passkey to an account.
    Register,
    /// Signs somebody in, whoever that turns out to be.
    SignIn,
    /// Lets somebody who is signed in prove once more who they are, in that session.
    StepUp,
}

impl Ceremony {
    /// How long a challenge is good, in minutes: what the specification recommends browsers to wait at most (section 15.1).
    pub const MINUTES: i32 = 5;

    /// Returns it as the database spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::SignIn => "sign-in",
            Self::StepUp => "step-up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(
            PasskeyName::parse("  My phone ").unwrap().as_str(),
            "My phone"
        );
        assert!(PasskeyName::parse(&"é".repeat(64)).is_ok());
        for bad in ["", "  ", "a\nb", "a\u{202e}b", "a\0b", &"é".repeat(65)] {
            assert!(PasskeyName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
