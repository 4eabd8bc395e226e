//! Compares the migrations of the program with those of a database. Writes nothing.

use std::fmt;

use time::OffsetDateTime;
use tokio_postgres::Client;

use crate::{
    Migration, Migrations, Result,
    history::{self, Applied},
};

/// How a migration stands in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is applied.
    Applied,
    /// It comes with the next deploy.
    Pending,
    /// It was changed after it was applied, or its row in the history was.
    Divergent,
    /// The database has it and this program does not: the program is older, or a file was removed.
    Missing,
    /// It is not applied, and a newer one is.
    OutOfOrder,
}

/// One migration and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The version.
    pub version: i64,
    /// The whole name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// When it was applied.
    pub applied_at: Option<OffsetDateTime>,
}

/// All migrations that the program or the database knows, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// One entry for each version.
    pub entries: Vec<Entry>,
}

impl Migrations {
    /// Returns how the migrations stand in a database. It may be empty, and nothing is written.
    pub async fn status(&self, client: &Client) -> Result<Status> {
        Ok(compare(self, &history::read(client).await?))
    }
}

impl Status {
    /// Returns whether the database has exactly the migrations of the program.
    pub fn is_clean(&self) -> bool {
        self.entries
            .iter()
            .all(|entry| entry.state == State::Applied)
    }

    /// Returns whether a deploy would apply something.
    pub fn has_pending(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.state == State::Pending)
    }

    /// Returns whether a deploy is refused.
    pub fn is_broken(&self) -> bool {
        self.entries.iter().any(|entry| entry.state.is_broken())
    }
}

impl State {
    /// Returns whether it keeps a deploy from running.
    pub fn is_broken(self) -> bool {
        matches!(self, Self::Divergent | Self::Missing | Self::OutOfOrder)
    }

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Divergent => "divergent",
            Self::Missing => "missing",
            Self::OutOfOrder => "out of order",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

fn compare(migrations: &Migrations, applied: &[Applied]) -> Status {
    let newest = applied.last().map_or(i64::MIN, |row| row.version);
    let known = migrations.iter().map(|migration| {
        let row = applied
            .iter()
            .find(|row| row.version == migration.version());
        Entry {
            version: migration.version(),
            name: migration.name().to_owned(),
            state: state(migration, row, newest),
            applied_at: row.and_then(|row| row.at),
        }
    });
    let is_unknown = |row: &&Applied| {
        !migrations
            .iter()
            .any(|migration| migration.version() == row.version)
    };
    let unknown = applied.iter().filter(is_unknown).map(|row| Entry {
        version: row.version,
        name: format!("V{}__{}", row.version, row.label),
        state: State::Missing,
        applied_at: row.at,
    });
    let mut entries: Vec<Entry> = known.chain(unknown).collect();
    entries.sort_by_key(|entry| entry.version);
    Status { entries }
}

fn state(migration: &Migration, row: Option<&Applied>, newest: i64) -> State {
    match row {
        Some(row) => {
            let is_same =
                row.label == migration.label() && row.checksum == Some(migration.checksum());
            // refinery panics on a row without a time.
            if is_same && row.at.is_some() {
                State::Applied
            } else {
                State::Divergent
            }
        }
        None if migration.version() < newest => State::OutOfOrder,
        None => State::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_told_from_the_others() {
        let parts = ["V1__a", "V2__b", "V4__d", "V6__f"].map(|name| (name, "", ""));
        let migrations = Migrations::from_parts(&parts).unwrap();
        let checksum = migrations.iter().next().map(Migration::checksum);
        let row = |version, label: &str, checksum| Applied {
            version,
            label: label.to_owned(),
            at: Some(OffsetDateTime::UNIX_EPOCH),
            checksum,
        };
        let compared = compare(
            &migrations,
            &[
                row(1, "a", checksum),
                row(2, "b", None),
                row(5, "e", Some(1)),
            ],
        );
        let found: Vec<_> = compared
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.state))
            .collect();
        assert_eq!(
            found,
            [
                ("V1__a", State::Applied),
                ("V2__b", State::Divergent),
                ("V4__d", State::OutOfOrder),
                ("V5__e", State::Missing),
                ("V6__f", State::Pending),
            ]
        );
        assert!(compared.is_broken() && compared.has_pending() && !compared.is_clean());
    }
}
