//! One migration: its name, its statements, and the way back.

use crate::{Error, Result};

/// Stand in the comments before the first statement of a file.
const NO_TRANSACTION: &str = "migrate: no-transaction";
const IRREVERSIBLE: &str = "irreversible:";

/// One step of the schema.
#[derive(Debug, Clone)]
pub struct Migration {
    name: String,
    rollback: Option<String>,
    rows: Option<String>,
    step: refinery::Migration,
}

impl Migration {
    pub(crate) fn new(name: &str, sql: &str, rollback: Option<&str>) -> Result<Self> {
        let invalid = || Error::Name {
            name: name.to_owned(),
        };
        // refinery takes also names that it later panics on, or applies in another order.
        let (version, rest) = name
            .strip_prefix('V')
            .and_then(|name| name.split_once("__"))
            .ok_or_else(invalid)?;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if version.is_empty()
            || !version.bytes().all(|byte| byte.is_ascii_digit())
            || !rest.chars().all(is_plain)
        {
            return Err(invalid());
        }
        let step = refinery::Migration::unapplied(name, sql).map_err(|_| invalid())?;
        Ok(Self {
            name: name.to_owned(),
            rollback: rollback.map(str::to_owned),
            rows: None,
            step,
        })
    }

    /// Adds statements that make rows, for [`Migrations::verify`](crate::Migrations::verify).
    #[must_use]
    pub(crate) fn with_rows(mut self, rows: Option<&str>) -> Self {
        self.rows = rows.map(str::to_owned);
        self
    }

    /// Returns the version, such as 20261123100000.
    pub fn version(&self) -> i64 {
        self.step.version()
    }

    /// Returns the whole name, such as `V20261123100000__users_and_roles`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the statements.
    pub fn sql(&self) -> &str {
        self.step.sql().unwrap_or_default()
    }

    /// Returns the statements that undo it, when it was given any.
    pub fn rollback(&self) -> Option<&str> {
        self.rollback.as_deref()
    }

    /// Returns the statements that make rows by hand, when it brings any.
    pub fn rows(&self) -> Option<&str> {
        self.rows.as_deref()
    }

    /// Returns the name as the history has it: without the version.
    pub(crate) fn label(&self) -> &str {
        self.step.name()
    }

    /// Returns the checksum as the history has it.
    pub(crate) fn checksum(&self) -> u64 {
        self.step.checksum()
    }

    /// Returns whether its statements are one transaction.
    pub fn is_transactional(&self) -> bool {
        header(self.sql(), NO_TRANSACTION).is_none()
    }

    /// Returns whether the statements that undo it are one transaction.
    pub fn is_rollback_transactional(&self) -> bool {
        self.rollback()
            .is_none_or(|sql| header(sql, NO_TRANSACTION).is_none())
    }

    /// Returns why it cannot be undone, when its rollback says so.
    pub fn irreversible(&self) -> Option<&str> {
        self.rollback().and_then(|sql| header(sql, IRREVERSIBLE))
    }

    /// Returns the name of the file with its statements.
    pub(crate) fn file(&self) -> String {
        format!("{}.sql", self.name)
    }

    pub(crate) fn step(&self) -> &refinery::Migration {
        &self.step
    }
}

/// Returns what stands behind a mark in the comments before the first statement.
fn header<'a>(sql: &'a str, mark: &str) -> Option<&'a str> {
    sql.lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with("--"))
        .find_map(|line| line.trim_start_matches('-').trim().strip_prefix(mark))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stands_before_the_first_statement() {
        let migration = |sql, rollback| Migration::new("V1__a", sql, Some(rollback)).unwrap();
        let alone = migration(
            "\n-- why\n-- migrate: no-transaction\ncreate index concurrently a on b (c);",
            "-- irreversible: the names are gone",
        );
        assert!(!alone.is_transactional() && alone.is_rollback_transactional());
        assert_eq!(alone.irreversible(), Some("the names are gone"));
        let usual = migration(
            "select 1;\n-- migrate: no-transaction",
            "select 1; -- irreversible: no",
        );
        assert!(usual.is_transactional() && usual.irreversible().is_none());
    }
}
