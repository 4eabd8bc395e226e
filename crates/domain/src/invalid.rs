//! The one error of parsing a value: a stable code for programs and a sentence for people.

use std::borrow::Cow;

/// Says why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Names the rule, in kebab case; it never changes.
    pub code: &'static str,
    /// States the rule, so that the reader can mend the value.
    pub message: Cow<'static, str>,
}

impl Invalid {
    /// Makes the error of the rule `code`.
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn too_long(limit: usize) -> Self {
        Self::new("too-long", format!("must be at most {limit} characters"))
    }
}
