//! Refresh tokens: opaque, 256 random bits, one in force per session.
//!
//! The successor of a token is derived from it, so that a retry after a lost answer gets the same successor although
//! only the hash of the token in force is stored. Whoever presents a token that was replaced longer ago is told apart
//! from a guesser by deriving its successors up to the one in force.
//!
//! A token names the secret that its successors are derived with. So instances that list the same secrets agree, whichever
//! is the first; and a session ends with the secret that it was begun with.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use subtle::ConstantTimeEq;
use usher_domain::SessionId;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Result,
    bytes::random,
    idempotency::Seed,
    secret::{ID_LENGTH, Secret},
};

/// Lets scanners of source code and logs recognise a leaked token; it never changes.
const PREFIX: &str = "usher_rt_";
const SESSION: usize = 16;
const COUNTER: usize = 4;
const SECRET: usize = SESSION + COUNTER;
const RANDOM: usize = SECRET + ID_LENGTH;
const LENGTH: usize = RANDOM + 32;
/// How many rotations back a token can be told from a guess: more than 30 days at one every five minutes.
const MAX_LINEAGE: u32 = 10_000;

/// A refresh token in plain text.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<[u8; LENGTH]>);

impl RefreshToken {
    /// Makes the first token of a session.
    pub(crate) fn first(session: SessionId, secret: &Secret) -> Result<Self> {
        Ok(Self::of(session, 0, secret.current().id, &random()?))
    }

    /// Makes the first token of a session that an attempt began: the same one each time.
    pub(crate) fn first_of(session: SessionId, seed: &Seed) -> Self {
        let random = Zeroizing::new(seed.derive(session.get().as_bytes()));
        Self::of(session, 0, seed.secret, &random)
    }

    fn of(session: SessionId, counter: u32, secret: [u8; ID_LENGTH], random: &[u8; 32]) -> Self {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[..SESSION].copy_from_slice(session.get().as_bytes());
        bytes[SESSION..SECRET].copy_from_slice(&counter.to_be_bytes());
        bytes[SECRET..RANDOM].copy_from_slice(&secret);
        bytes[RANDOM..].copy_from_slice(random);
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
        bytes.copy_from_slice(&self.0[SESSION..SECRET]);
        u32::from_be_bytes(bytes)
    }

    /// Returns what is stored of it.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &*self.0).as_ref());
        hash
    }

    /// Returns the token that replaces this one: always the same. There is none when its secret is listed no more.
    pub(crate) fn successor(&self, secret: &Secret) -> Option<Self> {
        let mut id = [0; ID_LENGTH];
        id.copy_from_slice(&self.0[SECRET..RANDOM]);
        let keys = secret.find(id)?;
        let tag = hmac::sign(&keys.refresh, &*self.0);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(tag.as_ref());
        let counter = self.counter().wrapping_add(1);
        Some(Self::of(self.session(), counter, keys.id, &bytes))
    }

    /// Tells whether the token in force, known by its place and hash, is this one or came of it.
    pub(crate) fn leads_to(&self, counter: u32, hash: &[u8], secret: &Secret) -> bool {
        let steps = counter.wrapping_sub(self.counter());
        if steps > MAX_LINEAGE {
            return false;
        }
        let mut token = Self(self.0.clone());
        for _ in 0..steps {
            let Some(successor) = token.successor(secret) else {
                return false;
            };
            token = successor;
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

    fn first(secret: &Secret) -> RefreshToken {
        RefreshToken::first(SessionId::new(Uuid::from_u128(7)), secret).unwrap()
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let session = SessionId::new(Uuid::from_u128(7));
        let token = RefreshToken::first(session, &secret()).unwrap();
        let again = RefreshToken::parse(&token.expose()).unwrap();
        assert_eq!(
            (again.session(), again.counter(), again.hash()),
            (session, 0, token.hash())
        );
    }

    #[test]
    fn a_token_cut_longer_or_bent_is_another_or_none() {
        let token = first(&secret());
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
        let token = first(&ours);
        let next = token.successor(&ours).unwrap();
        assert_eq!(next.counter(), 1);
        assert_eq!(next.hash(), token.successor(&ours).unwrap().hash());
        assert!(token.successor(&theirs).is_none());
    }

    #[test]
    fn a_session_stays_with_the_secret_that_it_was_begun_with() {
        let [old, new] = [(); 2].map(|()| Secret::generate().unwrap());
        let read = |text: &str| Secret::parse(text).unwrap();
        let token = first(&read(&old));
        let expected = token.successor(&read(&old)).unwrap().hash();
        for stage in [format!("{old},{new}"), format!("{new},{old}")] {
            let next = token.successor(&read(&stage)).unwrap();
            assert_eq!(next.hash(), expected, "all instances agree");
            let third = next.successor(&read(&stage)).unwrap();
            assert!(token.leads_to(2, &third.hash(), &read(&stage)));
        }
        assert!(token.successor(&read(&new)).is_none());
        let newer = first(&read(&format!("{new},{old}")));
        assert!(newer.successor(&read(&new)).is_some());
    }

    #[test]
    fn an_ancestor_is_told_from_a_guess() {
        let secret = secret();
        let token = first(&secret);
        let next = token.successor(&secret).unwrap();
        let third = next.successor(&secret).unwrap();
        assert!(token.leads_to(2, &third.hash(), &secret));
        assert!(third.leads_to(2, &third.hash(), &secret));
        assert!(
            !third.leads_to(1, &next.hash(), &secret),
            "a later one leads to none before it"
        );
        let guess = first(&secret);
        assert!(!guess.leads_to(2, &third.hash(), &secret));
        assert!(!token.leads_to(MAX_LINEAGE + 1, &third.hash(), &secret));
    }
}
