//! Pages of lists that are walked by position, never by counting rows.

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// How many rows a page has: 1 to 100, 20 unless told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The most rows of a page.
    pub const MAX: u8 = 100;

    /// Checks a limit.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            Ok(limit @ 1..=Self::MAX) => Ok(Self(limit)),
            _ => Err(Invalid::new(
                "limit",
                "must be a whole number from 1 to 100",
            )),
        }
    }

    /// Returns the greatest limit.
    pub fn most() -> Self {
        Self(Self::MAX)
    }

    /// Returns the number of rows.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }

    /// Returns the number of rows to ask for, so that one row too many tells of a next page.
    pub fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

/// Which way a list runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest on.
    Ascending,
    /// From the greatest on.
    Descending,
}

/// Where a page ends: the sort key of its last row, and the id that settles equal keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The list and its order: a position fits no other.
    pub order: String,
    /// The sort key as text; times in microseconds since 1970.
    pub key: String,
    /// The id of the row.
    pub id: i64,
    /// Whether the page ended there before it was full, since enough rows had been looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_early: bool,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows in order.
    pub rows: Vec<T>,
    /// Where the next page begins, when there is one.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// Makes a page of rows that were asked for with [`Limit::and_one`].
    pub fn of(mut rows: Vec<T>, limit: Limit, position: impl FnOnce(&T) -> Position) -> Self {
        let has_more = rows.len() > limit.get();
        rows.truncate(limit.get());
        let next = rows.last().filter(|_| has_more).map(position);
        Self { rows, next }
    }
}
