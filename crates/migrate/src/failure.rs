//! A migration that failed: where, and why.

use std::fmt::{self, Write as _};

use tokio_postgres::error::{DbError, ErrorPosition};

/// What Postgres said about a migration, with the place in its file.
#[derive(Debug)]
pub struct Failure {
    /// The whole name of the migration.
    pub migration: String,
    /// The SQLSTATE, when the server answered.
    pub code: Option<String>,
    /// The line of the file, counted from 1, when the server named a place.
    pub line: Option<usize>,
    /// How many migrations this deploy had applied before, which stay.
    pub applied: usize,
    reason: String,
    snippet: String,
}

impl Failure {
    pub(crate) fn new(
        migration: &str,
        sql: &str,
        applied: usize,
        error: &tokio_postgres::Error,
    ) -> Self {
        let answer = error.as_db_error();
        let place = answer.and_then(|answer| place(answer, sql));
        Self {
            migration: migration.to_owned(),
            code: answer.map(|answer| answer.code().code().to_owned()),
            line: place.map(|place| place.line),
            applied,
            reason: answer.map_or_else(|| chain(error), describe),
            snippet: place.map(Place::show).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            migration,
            reason,
            snippet,
            ..
        } = self;
        write!(formatter, "{migration} failed: {reason}")?;
        if let Some(code) = &self.code {
            write!(formatter, " (SQLSTATE {code})")?;
        }
        write!(formatter, "{snippet}\nnothing of {migration} was kept")?;
        match self.applied {
            0 => Ok(()),
            1 => write!(formatter, "; the migration before it was applied and stays"),
            count => write!(
                formatter,
                "; the {count} migrations before it were applied and stay"
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
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// A place in the text of a migration.
#[derive(Clone, Copy)]
struct Place<'a> {
    line: usize,
    column: usize,
    text: &'a str,
}

impl Place<'_> {
    fn show(self) -> String {
        let Self { line, column, text } = self;
        let margin = " ".repeat(line.to_string().len());
        let before = " ".repeat(column);
        format!("\n  {line} | {text}\n  {margin} | {before}^")
    }
}

/// Finds the place that the server counts in characters from 1.
fn place<'a>(answer: &DbError, sql: &'a str) -> Option<Place<'a>> {
    let Some(ErrorPosition::Original(position)) = answer.position() else {
        return None;
    };
    find(sql, usize::try_from(*position).ok()?.checked_sub(1)?)
}

fn find(sql: &str, mut rest: usize) -> Option<Place<'_>> {
    for (index, text) in sql.split('\n').enumerate() {
        let length = text.chars().count();
        if rest <= length {
            return Some(Place {
                line: index + 1,
                column: rest,
                text,
            });
        }
        rest -= length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_characters_and_shown_with_its_line() {
        let place = find("-- é\nselect nothing\n", 12).unwrap();
        assert_eq!(place.show(), "\n  2 | select nothing\n    |        ^");
        assert!(find("select", 99).is_none());
    }
}
