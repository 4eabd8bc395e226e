//! Proofs of who somebody is: by what a session was begun, and when that was last proved.

use std::fmt;

use time::OffsetDateTime;

use crate::Invalid;

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// A password.
    Password,
    /// A code that is good once: of an authenticator app, or one of the recovery codes.
    OneTimeCode,
    /// A passkey that made sure of its user.
    Passkey,
    /// A link or a code that was mailed.
    Mail,
}

impl Method {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Password, Self::OneTimeCode, Self::Passkey, Self::Mail];

    /// Returns it as tokens and the database spell it: as RFC 8176 does where that has a name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::OneTimeCode => "otp",
            Self::Passkey => "pop",
            Self::Mail => "email",
        }
    }

    /// Reads what [`Method::as_str`] writes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|method| method.as_str() == text)
            .ok_or_else(|| Invalid::new("unknown", "must be a method of authentication"))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The methods of one proof: one at least, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// Takes one method.
    pub fn one(method: Method) -> Self {
        Self(vec![method])
    }

    /// Reads a list; none at all is no proof.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut methods: Vec<_> = names
            .into_iter()
            .map(Method::parse)
            .collect::<Result<_, _>>()?;
        methods.sort_unstable();
        methods.dedup();
        if methods.is_empty() {
            return Err(Invalid::new("missing", "must hold one method at least"));
        }
        Ok(Self(methods))
    }

    /// Adds a method.
    #[must_use]
    pub fn and(mut self, method: Method) -> Self {
        if let Err(place) = self.0.binary_search(&method) {
            self.0.insert(place, method);
        }
        self
    }

    /// Tells whether a method is among them.
    pub fn contain(&self, method: Method) -> bool {
        self.0.binary_search(&method).is_ok()
    }

    /// Tells whether two factors were proved: a passkey is something one has, opened by something one knows or is; a code
    /// stands beside another method. A code that was mailed is no factor of its own beside a link that was.
    pub fn are_two_factors(&self) -> bool {
        self.contain(Method::Passkey) || (self.contain(Method::OneTimeCode) && self.0.len() > 1)
    }

    /// Returns the names, as the database keeps them.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|method| method.as_str()).collect()
    }

    /// Returns the names as the claim `amr` has them: with `mfa` where two factors were proved (RFC 8176, section 2).
    pub fn references(&self) -> Vec<String> {
        let more = self.are_two_factors().then_some("mfa");
        self.names()
            .into_iter()
            .chain(more)
            .map(str::to_owned)
            .collect()
    }
}

/// By what somebody proved who they are, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// By what.
    pub methods: Methods,
    /// When, as the database dates it.
    pub at: OffsetDateTime,
}

impl Proof {
    /// Proves by one method.
    pub fn by(method: Method, at: OffsetDateTime) -> Self {
        Self {
            methods: Methods::one(method),
            at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(names: &[&str]) -> Methods {
        Methods::parse(names.iter().copied()).unwrap()
    }

    #[test]
    fn two_factors_are_a_passkey_or_a_code_beside_something_else() {
        for (names, are_two) in [
            (&["pwd"][..], false),
            (&["email"], false),
            (&["otp"], false),
            (&["pwd", "email"], false),
            (&["pop"], true),
            (&["pwd", "otp"], true),
            (&["email", "otp"], true),
        ] {
            let methods = methods(names);
            assert_eq!(methods.are_two_factors(), are_two, "{names:?}");
            let has_mfa = methods.references().contains(&"mfa".to_owned());
            assert_eq!(has_mfa, are_two, "{names:?}");
        }
    }

    #[test]
    fn a_method_counts_once_and_the_order_is_always_the_same() {
        assert_eq!(methods(&["otp", "pwd", "otp"]).names(), ["pwd", "otp"]);
        let grown = Methods::one(Method::OneTimeCode)
            .and(Method::Password)
            .and(Method::OneTimeCode);
        assert_eq!(grown, methods(&["pwd", "otp"]));
    }

    #[test]
    fn no_method_and_an_unknown_one_are_no_proof() {
        assert!(Methods::parse([]).is_err());
        assert!(Methods::parse(["pwd", "mfa"]).is_err());
    }
}
