//! A migration that failed: where, why, and what is there now.

use std::fmt::{self, Write as _};

use tokio_postgres::error::{DbError, ErrorPosition};

use crate::{
    apply::{Work, is_about_locks},
    statements::Statement,
};

/// How many lines of a statement are shown.
const SHOWN: usize = 6;

/// What the database has of a migration that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: it was one transaction.
    Nothing,
    /// It was none. Its statement may have left something behind, and can be run again.
    Perhaps,
    /// All or nothing: the connection was lost while the transaction was committed.
    Unknown,
}

/// What Postgres said about a migration, with the statement and the place in its file.
#[derive(Debug)]
pub struct Failure {
    /// The whole name of the migration.
    pub migration: String,
    /// The SQLSTATE, when the server answered.
    pub code: Option<String>,
    /// The line of the file, counted from 1, where the server found the fault or else where the statement begins.
    pub line: Option<usize>,
    /// How many migrations were done before, which stay done.
    pub before: usize,
    /// What the database has of it.
    pub kept: Kept,
    /// Place, reason and statement.
    message: String,
    is_about_locks: bool,
}

impl Failure {
    pub(crate) fn new(
        work: &Work<'_>,
        statement: Option<&Statement<'_>>,
        error: &tokio_postgres::Error,
        kept: Kept,
    ) -> Self {
        let answer = error.as_db_error();
        let place = statement.map(|statement| Place::find(work.sql, statement, answer));
        let mut message = String::new();
        if let Some(place) = &place {
            let _ = write!(message, " at line {} of {}", place.line, work.file);
        }
        let reason = answer.map_or_else(|| chain(error), describe);
        let _ = write!(message, ": {reason}");
        if let Some(answer) = answer {
            let _ = write!(message, " (SQLSTATE {})", answer.code().code());
        }
        if let Some(place) = &place {
            message.push_str(&place.show());
        }
        Self {
            migration: work.name.to_owned(),
            code: answer.map(|answer| answer.code().code().to_owned()),
            line: place.map(|place| place.line),
            before: 0,
            kept,
            message,
            is_about_locks: answer.is_some_and(is_about_locks),
        }
    }

    /// Makes the failure of a migration that the server did not object to.
    pub(crate) fn refusal(work: &Work<'_>, reason: &str, kept: Kept) -> Self {
        Self {
            migration: work.name.to_owned(),
            code: None,
            line: None,
            before: 0,
            kept,
            message: format!(": {reason}"),
            is_about_locks: false,
        }
    }

    /// Returns whether others had what it needed.
    pub(crate) fn is_about_locks(&self) -> bool {
        self.is_about_locks
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed{}", self.migration, self.message)?;
        formatter.write_str(match self.kept {
            Kept::Nothing => "\nnothing of it was kept",
            Kept::Perhaps => {
                "\nit is no transaction: what its statement did may have stayed, and it is not in the history"
            }
            Kept::Unknown => {
                "\nthe connection was lost while it was committed: either all of it was kept or nothing"
            }
        })?;
        match self.before {
            0 => Ok(()),
            1 => write!(formatter, "; the migration before it was done and stays so"),
            count => write!(
                formatter,
                "; the {count} migrations before it were done and stay so"
            ),
        }
    }
}

fn describe(answer: &DbError) -> String {
    let mut text = answer.message().to_owned();
    let notes = [
        ("detail", answer.detail()),
        ("hint", answer.hint()),
        ("in", answer.where_()),
    ];
    for (title, note) in notes {
        if let Some(note) = note {
            let _ = write!(text, "; {title}: {}", note.replace('\n', ", "));
        }
    }
    text
}

/// Returns an error and its sources as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// Lines of a file, the first of them with a number.
#[derive(Debug)]
struct Place<'a> {
    line: usize,
    lines: Vec<&'a str>,
    /// Where in the line the fault is, in characters.
    column: Option<usize>,
}

impl<'a> Place<'a> {
    /// Finds the line that the server means, or else the statement.
    fn find(sql: &'a str, statement: &Statement<'a>, answer: Option<&DbError>) -> Self {
        let position = answer.and_then(|answer| match answer.position() {
            // It counts characters of the statement from 1.
            Some(ErrorPosition::Original(position)) => {
                usize::try_from(*position).ok()?.checked_sub(1)
            }
            _ => None,
        });
        let Some(position) = position else {
            let mut lines: Vec<_> = statement.text.lines().take(SHOWN).collect();
            if statement.text.lines().count() > SHOWN {
                lines.push("…");
            }
            return Self {
                line: number(sql, statement.start),
                lines,
                column: None,
            };
        };
        let offset = statement.text.char_indices().nth(position);
        let at = statement.start + offset.map_or(statement.text.len(), |(offset, _)| offset);
        let before = sql.get(..at).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: number(sql, at),
            lines: sql
                .get(begin..)
                .and_then(|rest| rest.lines().next())
                .into_iter()
                .collect(),
            column: Some(before.get(begin..).unwrap_or_default().chars().count()),
        }
    }

    fn show(&self) -> String {
        let width = (self.line + self.lines.len()).to_string().len();
        let mut text = String::new();
        for (number, line) in (self.line..).zip(&self.lines) {
            let _ = write!(text, "\n  {number:width$} | {line}");
        }
        if let Some(column) = self.column {
            let _ = write!(text, "\n  {:width$} | {:column$}^", "", "");
        }
        text
    }
}

/// Returns the number of the line that a byte is in, counted from 1.
pub(crate) fn number(sql: &str, at: usize) -> usize {
    sql.get(..at).unwrap_or_default().matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::split;

    #[test]
    fn a_statement_is_shown_with_the_numbers_of_its_lines() {
        let sql = "-- é\nselect 1;\n\ninsert into t\n  values (1);\n";
        let statements = split(sql);
        let place = Place::find(sql, &statements[1], None);
        assert_eq!(place.show(), "\n  4 | insert into t\n  5 |   values (1)");
        let long = format!("select\n{}1", "1,\n".repeat(9));
        assert!(
            Place::find(&long, &split(&long)[0], None)
                .show()
                .ends_with("…")
        );
    }
}
