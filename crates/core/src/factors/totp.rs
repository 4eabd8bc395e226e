//! Time-based one-time passwords (RFC 6238) as authenticator apps have them: SHA-1, 6 digits, steps of 30 seconds.
//!
//! SHA-1 is what every app understands. What is known against it are collisions, which help nobody against an HMAC.

use ring::hmac;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

/// How long a step lasts, in seconds.
pub const STEP_SECONDS: i64 = 30;
/// How many digits a code has.
pub const DIGITS: usize = 6;
/// The length of a secret in bytes: that of SHA-1 (RFC 4226, section 4).
pub const SECRET_LENGTH: usize = 20;
/// How many steps a clock may be off, either way.
const WINDOW: i64 = 1;

/// Returns the number of the step that a time lies in, in seconds since 1970.
pub fn step_at(seconds: i64) -> i64 {
    seconds.div_euclid(STEP_SECONDS)
}

/// Returns the code of a step.
pub fn code(secret: &[u8], step: i64) -> Zeroizing<String> {
    digits(secret, step, DIGITS)
}

/// Returns which step a code is of, if it is of this one or a neighbour; the time that takes tells nothing of either.
pub(super) fn matching(secret: &[u8], now: i64, shown: &str) -> Option<i64> {
    let mut found = Choice::from(0);
    let mut step = 0;
    for near in now - WINDOW..=now + WINDOW {
        let is_it = code(secret, near).as_bytes().ct_eq(shown.as_bytes());
        step.conditional_assign(&near, is_it);
        found |= is_it;
    }
    bool::from(found).then_some(step)
}

/// RFC 4226, section 5.3.
fn digits(secret: &[u8], step: i64, count: usize) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = tag.last().map_or(0, |last| usize::from(last & 0xf));
    let chosen = tag.iter().skip(offset).take(4);
    let number = chosen.fold(0_u32, |number, byte| (number << 8) | u32::from(*byte)) & 0x7fff_ffff;
    let mut rest = number;
    let mut text = vec![b'0'; count];
    for digit in text.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    Zeroizing::new(text.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        for (seconds, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = step_at(seconds);
            assert_eq!(*digits(SECRET, step, 8), expected, "{seconds}");
            assert_eq!(*code(SECRET, step), expected[2..], "{seconds}");
        }
    }

    #[test]
    fn the_codes_are_those_of_rfc_4226() {
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (step, expected) in (0..).zip(expected) {
            assert_eq!(*code(SECRET, step), expected);
        }
    }

    #[test]
    fn a_code_is_good_for_its_step_and_its_neighbours() {
        let shown = code(SECRET, 100);
        for (now, step) in [
            (98, None),
            (99, Some(100)),
            (100, Some(100)),
            (101, Some(100)),
            (102, None),
        ] {
            assert_eq!(matching(SECRET, now, &shown), step, "{now}");
        }
        for wrong in ["", "0", "12345", "1234567", "abcdef", "١٢٣٤٥٦"] {
            assert_eq!(matching(SECRET, 100, wrong), None, "{wrong}");
        }
        assert_eq!(matching(b"another secret of 20", 100, &shown), None);
    }
}
