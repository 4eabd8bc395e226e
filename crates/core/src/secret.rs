//! The secrets of a deployment, and the keys derived from them.
//!
//! `USHER_SECRET` is a list: one secret makes, all are read (see [`KeyList`]). Each has an id, which what was made with it names
//! where it can, so that it is found again. What hangs on a secret that is listed no more is void.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use subtle::ConstantTimeEq;
use usher_domain::{Clock, Position, RequestId};

use crate::{
    KeyList, Result,
    bytes::{decode_base64, random},
};

const LABEL_ID: &str = "usher secret id v1";
const LABEL_REFRESH: &str = "usher refresh token v1";
const LABEL_CURSOR: &str = "usher cursor v1";
const LABEL_IDEMPOTENCY: &str = "usher idempotency v1";
const LABEL_COMPARISON: &str = "usher comparison v1";
const LABEL_CODE: &str = "usher code v1";
const LABEL_SUBJECT: &str = "usher subject v1";
const CURSOR_TAG: usize = 16;
/// Length of the id of a secret, in bytes.
pub(crate) const ID_LENGTH: usize = 4;

/// The secrets of `USHER_SECRET`.
#[derive(Clone, Debug)]
pub struct Secret(Arc<KeyList<SecretKeys>>);

/// The keys derived from one secret, one for each purpose.
#[derive(Clone, Debug)]
pub(crate) struct SecretKeys {
    pub(crate) id: [u8; ID_LENGTH],
    pub(crate) refresh: hmac::Key,
    pub(crate) idempotency: hmac::Key,
    pub(crate) code: hmac::Key,
    pub(crate) subject: hmac::Key,
    cursor: hmac::Key,
    comparison: hmac::Key,
    root: hmac::Key,
}

impl SecretKeys {
    fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let bytes = decode_base64(text).ok_or("is not base64; make one with `cargo usher keys`")?;
        if bytes.len() < 32 {
            return Err("is shorter than 32 bytes; make one with `cargo usher keys`");
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let sign = |label: &str| hmac::sign(&root, label.as_bytes());
        let derive = |label| hmac::Key::new(hmac::HMAC_SHA256, sign(label).as_ref());
        let mut id = [0; ID_LENGTH];
        id.copy_from_slice(&sign(LABEL_ID).as_ref()[..ID_LENGTH]);
        Ok(Self {
            id,
            code: derive(LABEL_CODE),
            subject: derive(LABEL_SUBJECT),
            refresh: derive(LABEL_REFRESH),
            idempotency: derive(LABEL_IDEMPOTENCY),
            cursor: derive(LABEL_CURSOR),
            comparison: derive(LABEL_COMPARISON),
            root,
        })
    }

    /// Returns the bytes of the key for a purpose.
    pub(crate) fn derive(&self, label: &str) -> hmac::Tag {
        hmac::sign(&self.root, label.as_bytes())
    }

    fn cursor_tag(&self, text: &[u8]) -> [u8; CURSOR_TAG] {
        let mut tag = [0; CURSOR_TAG];
        tag.copy_from_slice(&hmac::sign(&self.cursor, text).as_ref()[..CURSOR_TAG]);
        tag
    }
}

/// Writes the id of a secret as people read it.
pub(crate) fn shown(id: [u8; ID_LENGTH]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

impl Secret {
    /// Reads a list of secrets: each at least 32 bytes in base64.
    pub fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let list = KeyList::parse(text, SecretKeys::parse)?;
        Ok(Self(Arc::new(list)))
    }

    /// Returns a new secret in the form that [`Secret::parse`] reads.
    pub fn generate() -> Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
    }

    /// Returns the keys that make now. Clocks may differ: whatever one makes, all read.
    pub(crate) fn current(&self) -> &SecretKeys {
        self.0.current(Clock::default().now())
    }

    /// Returns the keys that make now, unless the dates of all are to come.
    pub(crate) fn due(&self) -> Option<&SecretKeys> {
        self.0.due(Clock::default().now())
    }

    /// Returns the keys that came before those that make now.
    pub(crate) fn older(&self) -> impl Iterator<Item = &SecretKeys> {
        let due = self.due().map(|keys| keys.id);
        let keys = self.0.keys();
        keys.skip_while(move |keys| due.is_none_or(|due| keys.id != due))
            .skip(1)
    }

    /// Returns the keys of all secrets, those that make first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SecretKeys> {
        self.0.from_current(Clock::default().now())
    }

    /// Returns the keys of the secret with an id.
    pub(crate) fn find(&self, id: [u8; ID_LENGTH]) -> Option<&SecretKeys> {
        self.0.keys().find(|keys| keys.id == id)
    }

    /// Writes a position as a cursor that nobody else can make.
    pub fn seal(&self, position: &Position) -> String {
        // A struct of strings and numbers always has a JSON form.
        let text = serde_json::to_vec(position).unwrap_or_default();
        let mut sealed = self.current().cursor_tag(&text).to_vec();
        sealed.extend(text);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Reads a cursor made by [`Secret::seal`].
    pub fn open(&self, cursor: &str) -> Option<Position> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, text) = sealed.split_at_checked(CURSOR_TAG)?;
        let is_ours = |keys: &SecretKeys| bool::from(tag.ct_eq(&keys.cursor_tag(text)));
        if !self.0.keys().any(is_ours) {
            return None;
        }
        serde_json::from_slice(text).ok()
    }

    /// Compares two texts in a time that tells nothing of either.
    pub fn is_equal(&self, one: &str, other: &str) -> bool {
        let key = &self.current().comparison;
        let tag = hmac::sign(key, one.as_bytes());
        hmac::verify(key, other.as_bytes(), tag.as_ref()).is_ok()
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
    fn a_cursor_of_an_older_secret_opens_until_that_is_taken_out() {
        let [old, new] = [(); 2].map(|()| Secret::generate().unwrap());
        let read = |text: &str| Secret::parse(text).unwrap();
        let position = Position {
            order: "users -createdAt".to_owned(),
            key: "1".to_owned(),
            id: 7,
            is_early: true,
        };
        let cursor = read(&old).seal(&position);
        let newer = read(&format!("{new},{old}")).seal(&position);
        assert_ne!(cursor, newer);
        let prepared = read(&format!("{old},{new}"));
        assert_eq!(prepared.open(&cursor).as_ref(), Some(&position));
        assert_eq!(prepared.open(&newer).as_ref(), Some(&position));
        assert_eq!(read(&new).open(&cursor), None);
        assert_eq!(read(&new).open(&newer), Some(position));
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
