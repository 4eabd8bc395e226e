//! Encryption at rest: what a dump of the database is not to tell.
//!
//! A sealed value begins with the id of the secret that sealed it, so that it opens while that one is among those of
//! `USHER_SECRET`. It is bound to its purpose and its owner: in another row, or in another column, it does not open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{
    Error, Result,
    bytes::random,
    secret::{ID_LENGTH, Secret, SecretKeys, shown},
};

/// What is sealed, such as `usher mail v1`: each purpose has a key of its own.
pub(crate) type Label = &'static str;

/// Seals a text for its `owner`, such as the id of its row.
pub(crate) fn seal(secret: &Secret, label: Label, owner: &[u8], text: Vec<u8>) -> Result<Vec<u8>> {
    seal_with(secret.current(), label, owner, text)
}

/// Seals a text with the keys of one secret.
pub(crate) fn seal_with(
    keys: &SecretKeys,
    label: Label,
    owner: &[u8],
    mut text: Vec<u8>,
) -> Result<Vec<u8>> {
    const FAILED: Error = Error::Crypto("sealing a value");
    let nonce = random::<NONCE_LEN>()?;
    let tag = key(keys, label)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(owner),
            &mut text,
        )
        .map_err(|_| FAILED)?;
    Ok([&keys.id[..], &nonce, &text, tag.as_ref()].concat())
}

/// Why a sealed value does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unopened {
    /// The secret that sealed it is not known.
    #[error("it was sealed with the secret {0}, which is not listed")]
    UnknownSecret(String),
    /// It is no sealed value, or not one of this purpose and owner.
    #[error("it was changed, or was sealed for something else")]
    Broken,
}

/// Tells whether a value was sealed with the secret that seals now. Others are to be sealed anew when they are used.
pub(crate) fn is_current(secret: &Secret, sealed: &[u8]) -> bool {
    sealed.starts_with(&secret.current().id)
}

/// Opens what was sealed with any of the secrets.
pub(crate) fn open(
    secret: &Secret,
    label: Label,
    owner: &[u8],
    sealed: &[u8],
) -> std::result::Result<Vec<u8>, Unopened> {
    let (id, rest) = sealed
        .split_first_chunk::<ID_LENGTH>()
        .ok_or(Unopened::Broken)?;
    let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Unopened::Broken)?;
    let keys = secret
        .find(*id)
        .ok_or_else(|| Unopened::UnknownSecret(shown(*id)))?;
    let broken = |_| Unopened::Broken;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(broken)?;
    let key = key(keys, label).map_err(|_| Unopened::Broken)?;
    let mut text = text.to_vec();
    let length = key
        .open_in_place(nonce, Aad::from(owner), &mut text)
        .map_err(broken)?
        .len();
    text.truncate(length);
    Ok(text)
}

fn key(keys: &SecretKeys, label: Label) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, keys.derive(label).as_ref());
    let key = key.map_err(|_| Error::Crypto("deriving a key"))?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = "usher test v1";

    fn text() -> String {
        Secret::generate().unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    fn sealed(secret: &Secret) -> Vec<u8> {
        seal(secret, LABEL, b"7", b"hello".to_vec()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_owner_alone() {
        let secret = secret(&text());
        let sealed = sealed(&secret);
        assert_eq!(open(&secret, LABEL, b"7", &sealed).unwrap(), b"hello");
        assert_eq!(open(&secret, LABEL, b"8", &sealed), Err(Unopened::Broken));
        assert_eq!(
            open(&secret, "usher other v1", b"7", &sealed),
            Err(Unopened::Broken)
        );
    }

    #[test]
    fn what_is_bent_or_cut_does_not_open() {
        let secret = secret(&text());
        let sealed = sealed(&secret);
        for index in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[index] ^= 1;
            assert!(open(&secret, LABEL, b"7", &bent).is_err(), "{index}");
            assert!(open(&secret, LABEL, b"7", &sealed[..index]).is_err());
        }
    }

    #[test]
    fn an_older_secret_opens_what_it_sealed_until_it_is_taken_out() {
        let (old, new) = (text(), text());
        let sealed = sealed(&secret(&old));
        let both = secret(&format!("{new},{old}"));
        assert_eq!(open(&both, LABEL, b"7", &sealed).unwrap(), b"hello");
        let id = shown(secret(&old).current().id);
        assert_eq!(
            open(&secret(&new), LABEL, b"7", &sealed),
            Err(Unopened::UnknownSecret(id))
        );
        let newer = seal(&both, LABEL, b"7", b"hello".to_vec()).unwrap();
        assert!(!is_current(&both, &sealed) && is_current(&both, &newer));
        assert!(open(&secret(&new), LABEL, b"7", &newer).is_ok());
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let secret = secret(&text());
        assert_ne!(sealed(&secret), sealed(&secret));
    }
}
