//! What was done, what is fine, and what is left to do.

use serde::Serialize;

use crate::output::say;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// This run did it.
    Done,
    /// It is as it should be.
    Ok,
    /// Somebody has to do something about it.
    Todo,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    check: &'static str,
    state: State,
    /// What it is about, unless it is about everything.
    object: Option<String>,
    what: String,
    /// What to do about it.
    advice: Option<String>,
}

/// All lines, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Line>);

impl Report {
    /// Tells of something that this run did.
    pub(super) fn done(&mut self, check: &'static str, object: &str, what: String) {
        self.push(check, State::Done, Some(object.to_owned()), what, None);
    }

    /// Tells of something that was looked at, and is left to do when there is an advice.
    pub(super) fn found(
        &mut self,
        check: &'static str,
        object: String,
        what: String,
        advice: Option<String>,
    ) {
        let state = advice.as_ref().map_or(State::Ok, |_| State::Todo);
        self.push(check, state, Some(object), what, advice);
    }

    /// Tells that all is as it should be.
    pub(super) fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.push(check, State::Ok, None, what.into(), None);
    }

    /// Returns the lines.
    pub(super) fn lines(&self) -> &[Line] {
        &self.0
    }

    /// Returns how much is left to do.
    pub(super) fn todo(&self) -> usize {
        let lines = self.0.iter();
        lines.filter(|line| line.state == State::Todo).count()
    }

    /// Writes it for people.
    pub(super) fn show(&self) {
        for line in &self.0 {
            let mark = match line.state {
                State::Done => "done",
                State::Ok => "ok",
                State::Todo => "todo",
            };
            let object = line.object.as_ref().map(|object| format!("{object}: "));
            let (check, object) = (line.check, object.unwrap_or_default());
            say(format_args!("{mark:<5} {check:<18} {object}{}", line.what));
            if let Some(advice) = &line.advice {
                say(format_args!("{:<24} {advice}", ""));
            }
        }
        say(match self.todo() {
            0 => "\nnothing is left to do".to_owned(),
            1 => "\n1 thing is left to do".to_owned(),
            several => format!("\n{several} things are left to do"),
        });
    }

    fn push(
        &mut self,
        check: &'static str,
        state: State,
        object: Option<String>,
        what: String,
        advice: Option<String>,
    ) {
        self.0.push(Line {
            check,
            state,
            object,
            what,
            advice,
        });
    }
}
