//! Who may make an account without anybody's help.

use crate::Email;

/// Who may register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignUp {
    /// Whoever has an address.
    Open,
    /// Whoever has an address in one of these domains, in lower case.
    Domains(Vec<String>),
    /// Whoever was invited.
    Invited,
    /// Nobody: administrators create users.
    Closed,
}

impl SignUp {
    /// Reads `open`, `invited`, `closed` or `domains:example.com,example.org`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be open, invited, closed or domains:example.com,example.org";
        match text {
            "open" => return Ok(Self::Open),
            "invited" => return Ok(Self::Invited),
            "closed" => return Ok(Self::Closed),
            _ => {}
        }
        let domains = text.strip_prefix("domains:").ok_or(WRONG)?;
        let domain = |domain: &str| {
            let email = Email::parse(&format!("a@{}", domain.trim())).map_err(|_| WRONG)?;
            Ok(email.domain().to_owned())
        };
        let domains: Result<_, _> = domains.split(',').map(domain).collect();
        domains.map(Self::Domains)
    }

    /// Tells whether somebody with this address may register without an invitation.
    pub fn allows(&self, email: &Email) -> bool {
        match self {
            Self::Open => true,
            Self::Domains(domains) => domains.iter().any(|domain| domain == email.domain()),
            Self::Invited | Self::Closed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_neither_a_part_nor_a_child_of_another() {
        let sign_up = SignUp::parse("domains:Example.com, example.org").unwrap();
        for (email, is_allowed) in [
            ("a@example.com", true),
            ("A@EXAMPLE.ORG", true),
            ("a@evil-example.com", false),
            ("a@sub.example.com", false),
            ("example.com@example.net", false),
        ] {
            let email = Email::parse(email).unwrap();
            assert_eq!(sign_up.allows(&email), is_allowed, "{email}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Open",
            "domains:",
            "domains:a.b,",
            "domains:a@b.c",
            "domains",
        ] {
            assert!(SignUp::parse(text).is_err(), "{text}");
        }
    }
}
