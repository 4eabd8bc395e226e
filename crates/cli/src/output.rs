//! What a reader is told: results on standard output, everything else on standard error.
//!
//! A reader who went away, such as `head`, is no error.

use std::{
    fmt::Display,
    io::{self, Write},
    time::Duration,
};

/// Writes a line of the result.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a line about the way to the result.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes what a step did and how long it took.
pub(crate) fn step(name: &str, what: impl Display, took: Duration) {
    say(format_args!(
        "  {name:<9} {what} ({:.2} s)",
        took.as_secs_f64()
    ));
}
