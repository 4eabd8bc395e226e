//! What the database needs from time to time, done by a function of it that decides by itself what there is to do.
//!
//! The role of the functions owns nothing, and may neither analyze a table nor make or drop a partition. It may call
//! `run_maintenance`, which does so with the rights of the owner, in an amount that fits into one call.

use tokio_postgres::Row;
use usher_domain::{Action, Entity, Event};

use crate::{Author, Connection, Error, Result, row};

/// What was done, and what was too much for one call.
#[derive(Clone, Debug)]
pub struct Maintenance {
    /// The tables that have fresh statistics now.
    pub analyzed: Vec<String>,
    /// How many partitions of the audit log were made.
    pub partitions: i32,
    /// The months of the audit log that were dropped, such as `2025-01`.
    pub dropped: Vec<String>,
    /// How many idempotency keys were removed, whose day is over.
    pub forgotten: i32,
    /// How many sessions were removed that were over a month ago.
    pub sessions: i32,
    /// What is left for the next call, or for `usher maintain`, such as `analyze users`.
    pub remaining: Vec<String>,
}

/// Does what there is to do, with one audit entry that tells it.
pub async fn run(connection: &Connection, author: Author<'_>) -> Result<Maintenance> {
    let event = Event::new(Action::Maintain, Entity::Database);
    let row = connection
        .call(
            "run maintenance",
            author,
            &event,
            "run_maintenance",
            "analyzed, partitions, dropped, forgotten, sessions, remaining",
        )
        .await?;
    let row = row.ok_or_else(|| Error::corrupt("analyzed", "there is no row"))?;
    read(&row)
}

fn read(row: &Row) -> Result<Maintenance> {
    Ok(Maintenance {
        analyzed: row::get(row, "analyzed")?,
        partitions: row::get(row, "partitions")?,
        dropped: row::get(row, "dropped")?,
        forgotten: row::get(row, "forgotten")?,
        sessions: row::get(row, "sessions")?,
        remaining: row::get(row, "remaining")?,
    })
}
