//! E-mail addresses in their one canonical form.
//!
//! Two programs that lower-case differently are a way to take over an account, so only this file does it, and only
//! for ASCII: other letters are refused. A domain with other letters is written in its `xn--` form.

use std::fmt;

use serde::Serialize;

use crate::Invalid;

/// An e-mail address, trimmed and lower-cased, at most 180 characters.
///
/// The grammar is the one of HTML forms (dot-atom, no quotes or comments) with at least one dot in the domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Email(String);

impl Email {
    /// The most characters an address may have.
    pub const MAX_CHARACTERS: usize = 180;

    /// Checks an address: `" Ada@Example.COM "` becomes `ada@example.com`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.chars().count() > Self::MAX_CHARACTERS {
            return Err(Invalid::too_long(Self::MAX_CHARACTERS));
        }
        match text.rsplit_once('@') {
            Some((local, domain)) if is_local_part(local) && is_domain(domain) => {
                Ok(Self(text.to_ascii_lowercase()))
            }
            _ => Err(Invalid::new(
                "email",
                "must be an e-mail address such as ada@example.com, in ASCII",
            )),
        }
    }

    /// Returns the address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what stands after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_local_part(local: &str) -> bool {
    local.len() <= 64
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte))
}

/// RFC 5322, section 3.2.3: the characters of an atom.
fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.') && domain.split('.').all(is_label)
}

/// RFC 1035, section 2.3.1: letters, digits and inner hyphens, at most 63.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_trimmed_and_lower_cased() {
        assert_eq!(
            Email::parse(" Ada.L+x@Example.COM ").unwrap().as_str(),
            "ada.l+x@example.com"
        );
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "ada@@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a.@example.com",
            "ada@-x.com",
            "ada@x..com",
            "ada@example.com\0",
            "a\r\nb@example.com",
            "\"a\"@example.com",
            "ada@[127.0.0.1]",
            "ada@ex_ample.com",
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn letters_that_lower_case_into_another_address_are_refused() {
        for text in [
            "ada@gıthub.com",
            "İ@example.com",
            "ſ@example.com",
            "ﬁ@example.com",
            "\u{212a}@example.com",
        ] {
            assert_eq!(Email::parse(text).unwrap_err().code, "email", "{text:?}");
        }
        assert!(Email::parse("ada@xn--mnchen-3ya.de").is_ok());
    }

    #[test]
    fn the_limit_is_180_characters() {
        let domain = format!("{0}.{0}.com", "d".repeat(60));
        let longest = format!("{}@{domain}", "a".repeat(180 - 1 - domain.len()));
        assert_eq!(longest.len(), 180);
        assert!(Email::parse(&longest).is_ok());
        assert_eq!(
            Email::parse(&format!("a{longest}")).unwrap_err().code,
            "too-long"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".*") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email.clone());
                prop_assert!(email.as_str().is_ascii());
                prop_assert!(!email.as_str().bytes().any(|byte| byte.is_ascii_uppercase()));
            }
        }
    }
}
