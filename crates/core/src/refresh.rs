//! Refresh tokens: opaque, 256 random bits, one in force per session.
//!
//! The successor of a token is derived from it, so that a retry after a lost answer gets the same successor although
//! only the hash of the token in force is stored. Whoever presents a token that was replaced longer ago is told apart
//! from a guesser by deriving its successors up to the one in force.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use subtle::ConstantTimeEq;
use usher_domain::SessionId;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Attempt, Result, bytes::random, secret::Secret};

/// Lets scanners of source code and logs recognise a leaked token; it never changes.
const PREFIX: &str = "usher_rt_";
const SESSION: usize = 16;
const COUNTER: usize = 4;
const LENGTH: usize = SESSION + COUNTER + 32;
/// How many rotations back a token can be told from a guess: more than 30 days at one every five minutes.
const MAX_LINEAGE: u32 = 10_000;

/// A refresh token in plain text.
pub struct RefreshToken(Zeroizing<[u8; LENGTH]>);

impl RefreshToken {
    /// Makes the first token of a session.
    pub(crate) fn first(session: SessionId) -> Result<Self> {
        Ok(Self::of(session, 0, &random()?))
    }

    /// Makes the first token of a session that an attempt began: the same one each time.
    pub(crate) fn first_of(session: SessionId, attempt: &Attempt) -> Self {
        let secret = Zeroizing::new(attempt.derive(session.get().as_bytes()));
        Self::of(session, 0, &secret)
    }

    fn of(session: SessionId, counter: u32, secret: &[u8; 32]) -> Self {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[..SESSION].copy_from_slice(session.get().as_bytes());
        bytes[SESSION..SESSION + COUNTER].copy_from_slice(&counter.to_be_bytes());
        bytes[SESSION + COUNTER..].copy_from_slice(secret);
        Self(bytes)
    }

    /// Reads a token; whether it is in force is for the database to say.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let length = URL_SAFE_NO_PAD
            .decode_slice(text.strip_prefix(PREFIX)?, &mut *bytes)
            .ok()?;
        (length == LENGTH).then_some(Self(bytes))
    }

    /// Returns the token as its holder keeps it.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*self.0))
    }

    /// Returns the session it belongs to, as the token says.
    pub fn session(&self) -> SessionId {
        let mut bytes = [0; SESSION];
        bytes.copy_from_slice(&self.0[..SESSION]);
        SessionId::new(Uuid::from_bytes(bytes))
    }

    /// Returns how many tokens came before it.
    pub(crate) fn counter(&self) -> u32 {
        let mut bytes = [0; COUNTER];
        bytes.copy_from_slice(&self.0[SESSION..SESSION + COUNTER]);
        u32::from_be_bytes(bytes)
    }

    /// Returns what is stored of it.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &*self.0).as_ref());
        hash
    }

    /// Returns the token that replaces this one: always the same.
    pub(crate) fn successor(&self, secret: &Secret) -> Self {
        let tag = hmac::sign(&secret.refresh, &*self.0);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(tag.as_ref());
        Self::of(self.session(), self.counter().wrapping_add(1), &bytes)
    }

    /// Tells whether the token in force, known by its place and hash, is this one or came of it.
    pub(crate) fn leads_to(&self, counter: u32, hash: &[u8], secret: &Secret) -> bool {
        let steps = counter.wrapping_sub(self.counter());
        if steps > MAX_LINEAGE {
            return false;
        }
        let mut token = Self(self.0.clone());
        for _ in 0..steps {
            token = token.successor(secret);
        }
        token.hash().as_slice().ct_eq(hash).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::parse(&Secret::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let session = SessionId::new(Uuid::from_u128(7));
        let token = RefreshToken::first(session).unwrap();
        let again = RefreshToken::parse(&token.expose()).unwrap();
        assert_eq!(
            (again.session(), again.counter(), again.hash()),
            (session, 0, token.hash())
        );
    }

    #[test]
    fn a_token_cut_longer_or_bent_is_another_or_none() {
        let token = RefreshToken::first(SessionId::new(Uuid::from_u128(7))).unwrap();
        let text = token.expose();
        for length in 0..text.len() {
            assert!(RefreshToken::parse(&text[..length]).is_none());
        }
        for other in [
            format!("{text}A"),
            format!(" {text}"),
            format!("{text}="),
            text.to_uppercase(),
        ] {
            assert!(RefreshToken::parse(&other).is_none(), "{other}");
        }
        for index in PREFIX.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let bent = RefreshToken::parse(std::str::from_utf8(&bytes).unwrap());
            assert!(bent.is_none_or(|bent| bent.hash() != token.hash()));
        }
    }

    #[test]
    fn the_successor_is_always_the_same_and_needs_the_secret() {
        let (ours, theirs) = (secret(), secret());
        let token = RefreshToken::first(SessionId::new(Uuid::from_u128(7))).unwrap();
        let next = token.successor(&ours);
        assert_eq!(next.counter(), 1);
        assert_eq!(next.hash(), token.successor(&ours).hash());
        assert_ne!(next.hash(), token.successor(&theirs).hash());
    }

    #[test]
    fn an_ancestor_is_told_from_a_guess() {
        let secret = secret();
        let first = RefreshToken::first(SessionId::new(Uuid::from_u128(7))).unwrap();
        let third = first.successor(&secret).successor(&secret);
        assert!(first.leads_to(2, &third.hash(), &secret));
        assert!(third.leads_to(2, &third.hash(), &secret));
        assert!(
            !third.leads_to(1, &first.hash(), &secret),
            "a later one leads to none before it"
        );
        let guess = RefreshToken::first(first.session()).unwrap();
        assert!(!guess.leads_to(2, &third.hash(), &secret));
        assert!(!first.leads_to(MAX_LINEAGE + 1, &third.hash(), &secret));
    }
}
