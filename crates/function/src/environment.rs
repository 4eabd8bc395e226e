//! The one place of this crate that reads the environment.

/// Returns the value of an environment variable, or `None` if it is unset, empty or not UTF-8.
///
/// An empty value counts as unset: it is what a `.env` file or a dashboard makes of a blank field.
#[expect(
    clippy::disallowed_methods,
    reason = "the host and the log are chosen before there are settings"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
