//! Second factors: what an account asks for beside the password.

/// A kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Codes of an authenticator app (RFC 6238).
    Totp,
}

impl Factor {
    /// Returns it as the database and answers spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
        }
    }
}

/// The second factors that an account has in force. One that this build does not know is one all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors(Vec<String>);

impl Factors {
    /// Takes the names that the database keeps.
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Tells whether there is none.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether one is among them.
    pub fn contain(&self, factor: Factor) -> bool {
        self.0.iter().any(|name| name == factor.as_str())
    }

    /// Returns the names of what proves a second factor, as callers are told them: with an authenticator app that is a
    /// recovery code, too.
    pub fn methods(&self) -> Vec<&str> {
        let mut methods: Vec<_> = self.0.iter().map(String::as_str).collect();
        if self.contain(Factor::Totp) {
            methods.push("recovery-code");
        }
        methods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(names: &[&str]) -> Factors {
        Factors::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_recovery_code_stands_in_for_an_app() {
        assert!(factors(&[]).are_none());
        assert!(factors(&[]).methods().is_empty());
        assert_eq!(factors(&["totp"]).methods(), ["totp", "recovery-code"]);
    }

    #[test]
    fn a_factor_of_a_newer_build_counts() {
        let newer = factors(&["ring"]);
        assert!(!newer.are_none() && !newer.contain(Factor::Totp));
        assert_eq!(newer.methods(), ["ring"]);
    }
}
