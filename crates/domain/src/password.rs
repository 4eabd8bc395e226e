//! Passwords in plain text, for the short time they exist.
//!
//! Neither type can be printed or serialised, and both are wiped when dropped. Both are in Unicode's form NFC: keyboards
//! differ in how they compose a letter.

use icu_normalizer::ComposingNormalizerBorrowed;
use zeroize::Zeroizing;

use crate::{Email, Invalid, Name};

mod common;

const MAX_CHARACTERS: usize = 256;
/// So much of a password has to be something else than the name and the address of its owner.
const MIN_FOREIGN: usize = 8;
/// Shorter parts of a name are parts of many words.
const MIN_WORD: usize = 4;

/// A password somebody wants to have: 15 to 256 characters of any kind, and none of the most common ones (NIST SP
/// 800-63B-4, 3.1.1.2; ASVS 5.0.0, 6.2).
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
        if common::is_common(&text) {
            return Err(Invalid::new(
                "too-common",
                "is among the passwords that are tried first; a few words of your own are harder to guess",
            ));
        }
        Ok(Self(text))
    }

    /// Refuses a password that is little more than the name and the address of its owner (ASVS 5.0.0, 6.2.11).
    pub fn check_owner(&self, name: &Name, email: &Email) -> Result<(), Invalid> {
        let mut rest = Zeroizing::new(self.0.to_lowercase());
        let known = format!("{} {}", name.as_str(), email.as_str()).to_lowercase();
        let mut words: Vec<_> = known
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| word.chars().count() >= MIN_WORD)
            .collect();
        // The longest first, since one may be a part of another.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        for word in words {
            rest = Zeroizing::new(rest.replace(word, ""));
        }
        if rest.chars().filter(|rest| rest.is_alphanumeric()).count() < MIN_FOREIGN {
            return Err(Invalid::new(
                "too-personal",
                "must have at least 8 letters or digits beside your name and your e-mail address",
            ));
        }
        Ok(())
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
    let text = ComposingNormalizerBorrowed::new_nfc()
        .normalize(text)
        .into_owned();
    Ok(Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        let of = |length| {
            "ähnlich wie früher, nur noch etwas länger "
                .chars()
                .cycle()
                .take(length)
                .collect::<String>()
        };
        for (text, code) in [
            (of(14), Some("too-short")),
            (of(15), None),
            (of(256), None),
            (of(257), Some("too-long")),
            (" ".repeat(7) + " 7 birds", None),
            (of(14) + "\0", Some("unprintable")),
            ("A".repeat(15), Some("too-common")),
            ("PasswordPassword".to_owned(), Some("too-common")),
        ] {
            assert_eq!(
                Password::parse(&text).err().map(|error| error.code),
                code,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_letter_is_the_same_however_a_keyboard_composes_it() {
        let composed = Password::parse("Zoë läuft über Öland").unwrap();
        let decomposed = "Zoe\u{308} la\u{308}uft u\u{308}ber O\u{308}land";
        assert_eq!(
            Password::parse(decomposed).unwrap().expose(),
            composed.expose()
        );
        let attempt = PasswordAttempt::parse(decomposed).unwrap();
        assert_eq!(attempt.expose(), composed.expose());
    }

    #[test]
    fn the_own_name_and_address_are_no_password() {
        let name = Name::parse("Grace Brewster Hopper").unwrap();
        let email = Email::parse("amazing.grace@navy.example").unwrap();
        for (text, is_allowed) in [
            ("GraceBrewsterHopper!", false),
            ("amazing.grace@navy.example", false),
            ("Hopper, Grace 1906", false),
            ("hopperhopperhopperhopper", false),
            ("Grace found a moth in it", true),
            ("seven small lamps", true),
        ] {
            let password = Password::parse(text).unwrap();
            let refused = password.check_owner(&name, &email).err();
            assert_eq!(refused.is_none(), is_allowed, "{text}: {refused:?}");
            assert!(refused.is_none_or(|refused| refused.code == "too-personal"));
        }
    }
}
