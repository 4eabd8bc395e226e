//! The secret of a deployment, and the keys derived from it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{AES_256_GCM, LessSafeKey, UnboundKey},
    hmac,
};
use subtle::ConstantTimeEq;
use usher_domain::{Position, RequestId};

use crate::{
    Result,
    bytes::{decode_base64, random},
};

const LABEL_REFRESH: &[u8] = b"usher refresh token v1";
const LABEL_CURSOR: &[u8] = b"usher cursor v1";
const LABEL_IDEMPOTENCY: &[u8] = b"usher idempotency v1";
const LABEL_COMPARISON: &[u8] = b"usher comparison v1";
const LABEL_MAIL: &[u8] = b"usher mail v1";
const LABEL_CODE: &[u8] = b"usher code v1";
const LABEL_SUBJECT: &[u8] = b"usher subject v1";
const CURSOR_TAG: usize = 16;

/// Keys derived from `USHER_SECRET`, one for each purpose.
#[derive(Clone, Debug)]
pub struct Secret {
    pub(crate) refresh: hmac::Key,
    pub(crate) idempotency: hmac::Key,
    pub(crate) mail: LessSafeKey,
    pub(crate) code: hmac::Key,
    pub(crate) subject: hmac::Key,
    cursor: hmac::Key,
    comparison: hmac::Key,
}

impl Secret {
    /// Reads a secret: at least 32 bytes in base64.
    pub fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let bytes = decode_base64(text).ok_or("is not base64; make one with `cargo usher keys`")?;
        if bytes.len() < 32 {
            return Err("is shorter than 32 bytes; make one with `cargo usher keys`");
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let derive = |label| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, label).as_ref());
        let mail = UnboundKey::new(&AES_256_GCM, hmac::sign(&root, LABEL_MAIL).as_ref());
        Ok(Self {
            mail: LessSafeKey::new(mail.map_err(|_| "makes no key")?),
            code: derive(LABEL_CODE),
            subject: derive(LABEL_SUBJECT),
            refresh: derive(LABEL_REFRESH),
            idempotency: derive(LABEL_IDEMPOTENCY),
            cursor: derive(LABEL_CURSOR),
            comparison: derive(LABEL_COMPARISON),
        })
    }

    /// Returns a new secret in the form that [`Secret::parse`] reads.
    pub fn generate() -> Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
    }

    /// Writes a position as a cursor that nobody else can make.
    pub fn seal(&self, position: &Position) -> String {
        // A struct of strings and numbers always has a JSON form.
        let text = serde_json::to_vec(position).unwrap_or_default();
        let tag = hmac::sign(&self.cursor, &text);
        let mut sealed = tag.as_ref()[..CURSOR_TAG].to_vec();
        sealed.extend(text);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Reads a cursor made by [`Secret::seal`].
    pub fn open(&self, cursor: &str) -> Option<Position> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, text) = sealed.split_at_checked(CURSOR_TAG)?;
        let expected = hmac::sign(&self.cursor, text);
        let is_ours: bool = tag.ct_eq(&expected.as_ref()[..CURSOR_TAG]).into();
        if !is_ours {
            return None;
        }
        serde_json::from_slice(text).ok()
    }

    /// Compares two texts in a time that tells nothing of either.
    pub fn is_equal(&self, one: &str, other: &str) -> bool {
        let tag = hmac::sign(&self.comparison, one.as_bytes());
        hmac::verify(&self.comparison, other.as_bytes(), tag.as_ref()).is_ok()
    }
}

/// Returns a new id of a span or a trace: no secret, and never zero.
pub fn random_id<const N: usize>() -> [u8; N] {
    random().ok().filter(|id| *id != [0; N]).unwrap_or([1; N])
}

/// Returns a new id for a request. It is no secret, so a weak one is better than none.
pub fn request_id() -> RequestId {
    let text = random::<12>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    text.ok()
        .and_then(|text| RequestId::parse(&text))
        .unwrap_or_else(RequestId::unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_as_it_was_sealed() {
        let secret = Secret::parse(&Secret::generate().unwrap()).unwrap();
        let position = Position {
            order: "users -createdAt".to_owned(),
            key: "1".to_owned(),
            id: 7,
            is_early: true,
        };
        let cursor = secret.seal(&position);
        assert_eq!(secret.open(&cursor), Some(position));
        for index in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(secret.open(&String::from_utf8(bytes).unwrap()), None);
        }
        let other = Secret::parse(&Secret::generate().unwrap()).unwrap();
        assert_eq!(other.open(&cursor), None);
        assert_eq!(secret.open(""), None);
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(
            Secret::parse("c2hvcnQ").unwrap_err(),
            "is shorter than 32 bytes; make one with `cargo usher keys`"
        );
        assert_eq!(
            Secret::parse("???").unwrap_err(),
            "is not base64; make one with `cargo usher keys`"
        );
    }
}
