//! Bytes from outside: random ones, and those of secrets in base64.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{Error, Result};

/// Returns random bytes of the operating system, or an error rather than weak ones (ASVS 11.5.1).
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Crypto("the random source"))?;
    Ok(bytes)
}

/// Reads base64 of either alphabet, padded or not: secrets come from many tools.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) {
        alphabet::URL_SAFE
    } else {
        alphabet::STANDARD
    };
    GeneralPurpose::new(&alphabet, lenient)
        .decode(text.trim())
        .ok()
}
