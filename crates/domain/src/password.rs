//! Passwords in plain text, for the short time they exist.
//!
//! Neither type can be printed or serialised, and both are wiped when dropped.

use zeroize::Zeroizing;

use crate::Invalid;

const MAX_CHARACTERS: usize = 256;

/// A password somebody wants to have: 15 to 256 characters of any kind (NIST SP 800-63B-4, 3.1.1.2; ASVS 6.2).
pub struct Password(Zeroizing<String>);

/// A password somebody claims to have; only its size is checked, against the cost of hashing it.
pub struct PasswordAttempt(Zeroizing<String>);

impl Password {
    /// The fewest characters a password alone may have.
    pub const MIN_CHARACTERS: usize = 15;
    /// The most characters a password may have.
    pub const MAX_CHARACTERS: usize = MAX_CHARACTERS;

    /// Checks a new password; nothing is trimmed.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = within_limit(text)?;
        if text.chars().count() < Self::MIN_CHARACTERS {
            return Err(Invalid::new(
                "too-short",
                "must be at least 15 characters; a few words in a row are easy to remember",
            ));
        }
        Ok(Self(text))
    }

    /// Returns the plain text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PasswordAttempt {
    /// Checks the size of a claimed password.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        within_limit(text).map(Self)
    }

    /// Returns the plain text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn within_limit(text: &str) -> Result<Zeroizing<String>, Invalid> {
    if text.contains('\0') {
        return Err(Invalid::new(
            "unprintable",
            "must not contain the character U+0000",
        ));
    }
    if text.chars().count() > MAX_CHARACTERS {
        return Err(Invalid::too_long(MAX_CHARACTERS));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_the_only_rule_and_counts_characters() {
        for (text, code) in [
            ("a".repeat(14), Some("too-short")),
            ("a".repeat(15), None),
            ("é".repeat(256), None),
            ("é".repeat(257), Some("too-long")),
            (" ".repeat(15), None),
            ("a".repeat(14) + "\0", Some("unprintable")),
        ] {
            assert_eq!(
                Password::parse(&text).err().map(|error| error.code),
                code,
                "{text:?}"
            );
        }
    }
}
