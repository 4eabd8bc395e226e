//! Devices that somebody has signed in on: what strangers try elsewhere does not hold them up.
//!
//! A device token names its account, the session that it came with, and when that was, with an HMAC. It opens nothing: who has
//! it gets a few tries at the password that are counted apart. It is good for 180 days, and not after the password was changed,
//! which the statement that counts finds out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use time::OffsetDateTime;
use usher_domain::{SessionId, UserId};
use uuid::Uuid;

use crate::secret::{Secret, SecretKeys};

const LABEL: &str = "usher device v1";
/// Account, session, time in microseconds.
const BODY: usize = 8 + 16 + 8;
const LENGTH: usize = BODY + 32;

/// A device token that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) user: UserId,
    pub(super) session: Uuid,
    pub(super) issued_at: OffsetDateTime,
}

/// Returns the token of the device that a session is on.
pub fn device_token(
    secret: &Secret,
    user: UserId,
    session: SessionId,
    issued_at: OffsetDateTime,
) -> String {
    let micros = issued_at.unix_timestamp_nanos() / 1000;
    let micros = i64::try_from(micros).unwrap_or_default();
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend(user.get().to_be_bytes());
    bytes.extend(session.get().as_bytes());
    bytes.extend(micros.to_be_bytes());
    let tag = hmac::sign(&key(secret.current()), &bytes);
    bytes.extend(tag.as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Device {
    /// Reads a token; one that is not ours is none.
    pub(super) fn read(secret: &Secret, text: &str) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        if length != LENGTH {
            return None;
        }
        let (body, tag) = bytes.split_at(BODY);
        let is_of = |keys| hmac::verify(&key(keys), body, tag).is_ok();
        if !secret.all().any(is_of) {
            return None;
        }
        let (user, rest) = body.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (micros, _) = rest.split_first_chunk()?;
        let nanos = i128::from(i64::from_be_bytes(*micros)) * 1000;
        Some(Self {
            user: UserId::new(i64::from_be_bytes(*user)),
            session: Uuid::from_bytes(*session),
            issued_at: OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?,
        })
    }
}

fn key(keys: &SecretKeys) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, keys.derive(LABEL).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: &Secret) -> (Device, String) {
        let device = Device {
            user: UserId::new(7),
            session: Uuid::from_u128(9),
            issued_at: OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(1_234_567),
        };
        let session = SessionId::new(device.session);
        let text = device_token(secret, device.user, session, device.issued_at);
        (device, text)
    }

    #[test]
    fn a_token_is_read_as_it_was_made_also_by_an_older_secret() {
        let [old, new] = [(); 2].map(|()| Secret::generate().unwrap());
        let (device, text) = token(&Secret::parse(&old).unwrap());
        for list in [old.clone(), format!("{new},{old}")] {
            let secret = Secret::parse(&list).unwrap();
            assert_eq!(Device::read(&secret, &text), Some(device));
        }
        assert_eq!(Device::read(&Secret::parse(&new).unwrap(), &text), None);
    }

    #[test]
    fn what_was_changed_is_no_token() {
        let secret = Secret::parse(&Secret::generate().unwrap()).unwrap();
        let (_, text) = token(&secret);
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for index in 0..LENGTH {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(Device::read(&secret, &changed), None, "byte {index}");
        }
        for text in ["", "a", &text[1..], &format!("{text}AA"), &"A".repeat(2000)] {
            assert_eq!(Device::read(&secret, text), None, "{text}");
        }
    }
}
