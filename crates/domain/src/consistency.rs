//! How far the database has to be for somebody to see what they did.

use std::fmt;

use crate::Invalid;

/// How far the log of the database was when something had been committed: 16 hexadecimal digits for callers.
///
/// It is no secret and not signed: whoever invents one that lies ahead is answered by the primary, no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsistencyToken(u64);

impl ConsistencyToken {
    /// Lies ahead of every replica: what its holder did may be committed, nobody knows where.
    pub const UNKNOWN: Self = Self(u64::MAX);

    /// Makes the token of a position in the log.
    pub fn new(position: u64) -> Self {
        Self(position)
    }

    /// Reads a token as callers have it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let position = u64::from_str_radix(text, 16).ok();
        match position.filter(|_| is_hexadecimal && text.len() == 16) {
            Some(position) => Ok(Self(position)),
            None => Err(Invalid::new(
                "consistency-token",
                "must be as an answer had it: 16 hexadecimal digits",
            )),
        }
    }

    /// Tells whether a server that has come this far shows what was committed.
    pub fn is_reached_by(self, position: u64) -> bool {
        self.0 <= position
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_it_was_written() {
        for position in [0, 0x16_B374_D848, u64::MAX - 1] {
            let token = ConsistencyToken::new(position);
            assert_eq!(ConsistencyToken::parse(&token.to_string()), Ok(token));
            assert!(
                token.is_reached_by(position) && !ConsistencyToken::UNKNOWN.is_reached_by(position)
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "0",
            "+000000000000001",
            "000000000000000g",
            "00000000000000001",
            "0/16B374D848000",
        ] {
            assert!(ConsistencyToken::parse(text).is_err(), "{text}");
        }
    }
}
