//! Passwords in plain text, for the short time they exist.
//!
//! None of the types can be printed or serialised, and all are wiped when dropped. All are in Unicode's form NFC: keyboards
//! differ in how they compose a letter.

use icu_normalizer::ComposingNormalizerBorrowed;
use zeroize::Zeroizing;

use crate::{Email, Factors, Invalid, Name};

mod common;

const MAX_CHARACTERS: usize = 256;
/// So much of a password has to be something else than the name and the address of its owner.
const MIN_FOREIGN: usize = 8;
/// Shorter parts of a name are parts of many words.
const MIN_WORD: usize = 4;

/// A password somebody wants to have: 15 to 256 characters of any kind, and none of the most common ones (NIST SP
/// 800-63B-4, 3.1.1.2; ASVS 5.0.0, 6.2).
pub struct Password(Zeroizing<String>);

/// A password somebody wants to have, for an account that may have a second factor: then 8 characters are enough (NIST SP
/// 800-63B-4, 3.1.1.2).
pub struct PasswordCandidate(Zeroizing<String>);

/// A password somebody claims to have; only its size is checked, against the cost of hashing it.
pub struct PasswordAttempt(Zeroizing<String>);

impl Password {
    /// The fewest characters a password alone may have.
    pub const MIN_CHARACTERS: usize = 15;
    /// The fewest characters a password beside a second factor may have.
    pub const MIN_BESIDE_FACTOR: usize = 8;
    /// The most characters a password may have.
    pub const MAX_CHARACTERS: usize = MAX_CHARACTERS;

    /// Checks a new password; nothing is trimmed.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        PasswordCandidate::parse(text)?.alone()
    }

    /// Tells whether it is enough beside a second factor alone.
    pub fn is_short(&self) -> bool {
        self.0.chars().count() < Self::MIN_CHARACTERS
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
        let mut is_of_owner = false;
        for word in words {
            is_of_owner |= rest.contains(word);
            rest = Zeroizing::new(rest.replace(word, ""));
        }
        if is_of_owner && rest.chars().filter(|rest| rest.is_alphanumeric()).count() < MIN_FOREIGN {
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

impl PasswordCandidate {
    /// Checks what holds for every password; nothing is trimmed.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = within_limit(text)?;
        if text.chars().count() < Password::MIN_BESIDE_FACTOR {
            return Err(too_short());
        }
        if common::is_common(&text) {
            return Err(Invalid::new(
                "too-common",
                "is among the passwords that are tried first; a few words of your own are harder to guess",
            ));
        }
        Ok(Self(text))
    }

    /// Makes it the password of an account that may have a second factor.
    pub fn beside(self, factors: &Factors) -> Result<Password, Invalid> {
        if factors.are_none() {
            self.alone()
        } else {
            Ok(Password(self.0))
        }
    }

    /// Returns the plain text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn alone(self) -> Result<Password, Invalid> {
        let password = Password(self.0);
        if password.is_short() {
            return Err(too_short());
        }
        Ok(password)
    }
}

fn too_short() -> Invalid {
    Invalid::new(
        "too-short",
        "must be at least 15 characters, or 8 where the account has a second factor; a few words in a row are easy to remember",
    )
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
    fn a_second_factor_makes_up_for_a_short_password() {
        let factors = Factors::new(vec!["totp".to_owned()]);
        for (text, alone, beside) in [
            ("7 birds", Some("too-short"), Some("too-short")),
            ("8 birds!", Some("too-short"), None),
            ("14 blue birds!", Some("too-short"), None),
            ("15 blue birds!!", None, None),
            ("password", Some("too-common"), Some("too-common")),
        ] {
            let checked = |factors: &Factors| {
                let password = PasswordCandidate::parse(text)?.beside(factors)?;
                assert_eq!(password.is_short(), alone.is_some());
                Ok(())
            };
            let code = |result: Result<(), Invalid>| result.err().map(|error| error.code);
            assert_eq!(code(checked(&Factors::default())), alone, "{text}");
            assert_eq!(code(checked(&factors)), beside, "{text}");
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
            // Nothing of it is theirs.
            ("7 + 8 = 15, + 1 = 16!", true),
        ] {
            let password = Password::parse(text).unwrap();
            let refused = password.check_owner(&name, &email).err();
            assert_eq!(refused.is_none(), is_allowed, "{text}: {refused:?}");
            assert!(refused.is_none_or(|refused| refused.code == "too-personal"));
        }
    }
}
