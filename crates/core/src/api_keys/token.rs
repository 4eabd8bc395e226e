//! The text of an API key: `usher_ak_`, the id and the secret in base64url, `_` and a checksum.
//!
//! The prefix lets scanners find keys that were published by mistake. The checksum tells a mistyped key, or what only looks like
//! one, without the database; it is no proof of anything.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use usher_domain::ApiKeyId;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Attempt, Result, actor::KeyUse, bytes::random, idempotency::Seed};

/// What every key begins with.
const PREFIX: &str = "usher_ak_";
/// How long the checksum is, in characters of base64url.
const CHECKSUM: usize = 6;

/// 256 random bits.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The text of a key. It is shown once, and kept nowhere.
pub struct Token(Zeroizing<String>);

impl Token {
    pub(super) fn new(id: ApiKeyId, secret: &Secret) -> Self {
        let mut bytes = Zeroizing::new([0; 40]);
        bytes[..8].copy_from_slice(&id.get().to_be_bytes());
        bytes[8..].copy_from_slice(&**secret);
        let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        let checksum = checksum(&body);
        Self(Zeroizing::new(format!("{PREFIX}{}_{checksum}", *body)))
    }

    /// Returns the text, which is for its owner alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Reads the text of a key, or returns `None` when it can be none that was ever made. Whether it is good the database says.
pub fn parse(text: &str) -> Option<KeyUse> {
    let (body, sum) = text.strip_prefix(PREFIX)?.split_at_checked(54)?;
    if sum.strip_prefix('_')? != checksum(body) {
        return None;
    }
    // Strict: no padding, and no bits that stand for nothing.
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).ok()?);
    let (id, secret) = bytes.split_first_chunk::<8>()?;
    let secret = Zeroizing::new(<[u8; 32]>::try_from(secret).ok()?);
    let id = i64::from_be_bytes(*id);
    (id > 0).then(|| KeyUse {
        id: ApiKeyId::new(id),
        hash: hash(&secret),
    })
}

/// Returns the secret of a new token: of an attempt and a salt, so that it can be made again, or of nothing. The salt is stored with
/// the attempt, so that another secret comes of the same `Idempotency-Key` another day.
pub(super) fn secret(attempt: Option<&Attempt>, salt: Uuid) -> Result<Secret> {
    match attempt.and_then(Attempt::seed) {
        Some(seed) => Ok(derive(seed, salt)),
        None => random().map(Zeroizing::new),
    }
}

/// Returns the secret that a seed and a salt stand for.
pub(super) fn derive(seed: &Seed, salt: Uuid) -> Secret {
    let name = [b"api key ".as_slice(), salt.as_bytes()].concat();
    Zeroizing::new(seed.derive(&name))
}

/// Returns what is stored of a secret: its SHA-256, which nobody can guess the 256 random bits from.
pub(super) fn hash(secret: &Secret) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &**secret).as_ref());
    hash
}

/// Returns the first 36 bits of the SHA-256 of what stands before.
fn checksum(body: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(PREFIX.as_bytes());
    context.update(body.as_bytes());
    let mut text = URL_SAFE_NO_PAD.encode(context.finish());
    text.truncate(CHECKSUM);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        let secret = Zeroizing::new([0xA5; 32]);
        Token::new(ApiKeyId::new(7), &secret).expose().to_owned()
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let text = token();
        assert_eq!(text.len(), 70);
        let read = parse(&text).unwrap();
        assert_eq!(read.id.get(), 7);
        assert_eq!(read.hash, hash(&Zeroizing::new([0xA5; 32])));
    }

    #[test]
    fn a_key_that_is_cut_extended_or_changed_anywhere_is_none() {
        let text = token();
        for end in 0..text.len() {
            assert!(parse(&text[..end]).is_none(), "{end}");
        }
        for more in ["A", "=", " ", "_", "\0", "\n"] {
            assert!(parse(&format!("{text}{more}")).is_none(), "{more:?}");
            assert!(parse(&format!("{more}{text}")).is_none(), "{more:?}");
        }
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'B' { b'C' } else { b'B' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(parse(&changed).is_none(), "{changed}");
        }
        assert!(parse(&text.to_uppercase()).is_none());
        assert!(parse(&"ä".repeat(40)).is_none());
        assert!(parse(&format!("{PREFIX}{}", "ä".repeat(40))).is_none());
    }

    #[test]
    fn bits_that_stand_for_nothing_are_refused_even_with_a_good_checksum() {
        let text = token();
        let body = &text[PREFIX.len()..PREFIX.len() + 54];
        // The last of the 54 characters has 2 bits of the secret and 4 that are zero.
        let last = body.as_bytes()[53];
        for other in b"BCDEFG" {
            let changed = format!("{}{}", &body[..53], char::from(*other));
            let text = format!("{PREFIX}{changed}_{}", checksum(&changed));
            assert!(*other == last || parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn no_key_has_an_id_that_is_none() {
        for id in [0, -1, i64::MIN] {
            let secret = Zeroizing::new([1; 32]);
            let text = Token::new(ApiKeyId::new(id), &secret);
            assert!(parse(text.expose()).is_none(), "{id}");
        }
    }
}
