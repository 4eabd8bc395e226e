//! Passwords that are known from leaks, asked of a service that lists them (ASVS 5.0.0, 6.2.12).
//!
//! The service learns the first 5 of the 40 digits of a hash, which some hundred thousand passwords share, and answers with
//! the rest of all that it knows (k-anonymity). What it cannot tell within a second is taken for good: nobody is kept from
//! a password because somebody else's service is away.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, header};
use ring::digest;
use usher_domain::{Invalid, Password};
use usher_post::Target;

use crate::{Problem, problem::Place};

const LIMIT: Duration = Duration::from_secs(1);
/// Makes all answers about as long, so that their length tells nothing of the question.
const PADDING: HeaderName = HeaderName::from_static("add-padding");
const PREFIX: usize = 5;

/// The service, if there is one to ask.
#[derive(Clone, Debug)]
pub struct Leaks(Option<Arc<str>>);

impl Leaks {
    /// Asks the service at an address such as `https://api.pwnedpasswords.com/range/`, or none.
    pub fn new(address: Option<&str>) -> Self {
        Self(address.map(Arc::from))
    }

    /// Refuses a password that is known from a leak. It takes a second at most, and no connection to the database is to be
    /// held meanwhile.
    pub(crate) async fn check(&self, password: &Password, member: &str) -> Result<(), Problem> {
        let Some(address) = &self.0 else {
            return Ok(());
        };
        match tokio::time::timeout(LIMIT, is_listed(address, password)).await {
            Ok(Ok(false)) => return Ok(()),
            Ok(Ok(true)) => {}
            Ok(Err(error)) => {
                tracing::warn!("a password was not looked up among those of leaks: {error}");
                return Ok(());
            }
            Err(_) => {
                tracing::warn!("a password was not looked up among those of leaks within 1 s");
                return Ok(());
            }
        }
        let invalid = Invalid::new(
            "leaked",
            "is known from a leak of another service, where others find it; choose one that is used nowhere else",
        );
        let place = Place::Pointer(format!("/{member}"));
        Err(Problem::invalid_at(place, invalid))
    }
}

async fn is_listed(address: &str, password: &Password) -> Result<bool, usher_post::Error> {
    let hash = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        password.expose().as_bytes(),
    );
    let hash = hash.as_ref().iter();
    let hash = hash.fold(String::new(), |hash, byte| hash + &format!("{byte:02X}"));
    let (prefix, suffix) = hash.split_at(PREFIX);
    let target = Target::parse(address)?
        .with_header(PADDING, HeaderValue::from_static("true"))
        .with_header(header::USER_AGENT, HeaderValue::from_static("usher"));
    let answer = target.get(&format!("/{prefix}")).await?;
    Ok(lists(&String::from_utf8_lossy(&answer), suffix))
}

/// Tells whether a line such as `0018A45C4D1DEF81644B54AB7F969B88D65:21` has this suffix. Padding is there 0 times.
fn lists(answer: &str, suffix: &str) -> bool {
    let pairs = answer.lines().filter_map(|line| line.split_once(':'));
    pairs
        .filter(|(listed, _)| listed.trim().eq_ignore_ascii_case(suffix))
        .any(|(_, count)| count.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_found_unless_it_is_padding() {
        let answer = "0018A45C4D1DEF81644B54AB7F969B88D65:21\r\n\
                      00D4F6E8FA6EECAD2A3AA415EEC418D38EC:0\r\nnonsense\r\n";
        assert!(lists(answer, "0018A45C4D1DEF81644B54AB7F969B88D65"));
        assert!(lists(answer, "0018a45c4d1def81644b54ab7f969b88d65"));
        assert!(!lists(answer, "00D4F6E8FA6EECAD2A3AA415EEC418D38EC"));
        assert!(!lists(answer, "011053FD0102E94D6AE2F8B83D76FAF94F6"));
        assert!(!lists("", "0018A45C4D1DEF81644B54AB7F969B88D65"));
    }
}
