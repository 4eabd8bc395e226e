//! The lines of the doctor, and how many of them are bad.

use std::fmt::Display;

use crate::output::say;

/// Prints findings as they come, and counts them.
#[derive(Debug, Default)]
pub(super) struct Report {
    good: usize,
    warnings: usize,
    failures: usize,
}

impl Report {
    /// Tells of something that is as it should be.
    pub(super) fn ok(&mut self, name: &str, what: impl Display) {
        self.good += 1;
        line("ok", name, what);
    }

    /// Tells of something that works and could be better.
    pub(super) fn warn(&mut self, name: &str, what: impl Display) {
        self.warnings += 1;
        line("warn", name, what);
    }

    /// Tells of something that keeps an instance from working.
    pub(super) fn fail(&mut self, name: &str, what: impl Display) {
        self.failures += 1;
        line("fail", name, what);
    }

    /// Tells whether anything failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Returns what all of it means.
    pub(super) fn summary(&self) -> String {
        let Self {
            good,
            warnings,
            failures,
        } = self;
        let meaning = if self.has_failed() {
            "an instance would not work like this"
        } else {
            "an instance would work"
        };
        format!("\n{meaning}: {good} ok, {warnings} warnings, {failures} failures")
    }
}

fn line(mark: &str, name: &str, what: impl Display) {
    say(format_args!("{mark:<5} {name:<31} {what}"));
}
