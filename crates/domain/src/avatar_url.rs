//! Where the picture of a person is found.

use std::fmt;

use serde::Serialize;

use crate::{Invalid, text::is_unprintable};

/// An absolute `http` or `https` URL of at most 500 characters. It is never fetched by this product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AvatarUrl(String);

impl AvatarUrl {
    /// The most characters a URL may have.
    pub const MAX_CHARACTERS: usize = 500;

    /// Checks a URL; it is kept as it was written.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.chars().count() > Self::MAX_CHARACTERS {
            return Err(Invalid::too_long(Self::MAX_CHARACTERS));
        }
        match url::Url::parse(text) {
            Ok(url) if is_acceptable(&url) && !text.chars().any(is_unprintable) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid::new(
                "url",
                "must be an absolute http or https URL without user name or password",
            )),
        }
    }

    /// Returns the URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AvatarUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_acceptable(url: &url::Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_pass() {
        assert!(AvatarUrl::parse("https://cdn.example.com/a.png?s=80").is_ok());
        for text in [
            "",
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "//cdn/a.png",
            "https://a:b@cdn/a.png",
            "https://c\u{0}/",
            "ftp://x/y",
        ] {
            assert_eq!(AvatarUrl::parse(text).unwrap_err().code, "url", "{text:?}");
        }
        let long = format!("https://e.com/{}", "a".repeat(500));
        assert_eq!(AvatarUrl::parse(&long).unwrap_err().code, "too-long");
    }
}
