//! Reads what a database remembers of its migrations.
//!
//! Not through refinery, which panics on a row that was edited by hand.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio_postgres::{Client, error::SqlState};

use crate::{Error, Result};

/// A row of the history, as refinery wrote it or as somebody left it.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) label: String,
    pub(crate) at: Option<OffsetDateTime>,
    pub(crate) checksum: Option<u64>,
}

/// Returns the applied migrations in the order of their versions; none in a database that never had any.
pub(crate) async fn read(client: &Client) -> Result<Vec<Applied>> {
    let asked = client
        .query_typed_one(
            "select to_regclass('refinery_schema_history') is not null as is_there",
            &[],
        )
        .await
        .and_then(|row| row.try_get("is_there"));
    let is_there: bool =
        asked.map_err(Error::database("look for the history of the migrations"))?;
    if !is_there {
        return Ok(Vec::new());
    }
    let statement = "
        select
          version::bigint as version,
          coalesce(name, '') as label,
          coalesce(applied_on, '') as applied_on,
          coalesce(checksum, '') as checksum
        from refinery_schema_history
        order by version";
    let rows = client.query_typed(statement, &[]).await;
    let rows = rows.map_err(|error| match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::Hidden,
        _ => Error::database("read the history of the migrations")(error),
    })?;
    let applied = rows.iter().map(|row| {
        Ok(Applied {
            version: row.try_get("version")?,
            label: row.try_get("label")?,
            at: OffsetDateTime::parse(row.try_get("applied_on")?, &Rfc3339).ok(),
            checksum: row.try_get::<_, &str>("checksum")?.parse().ok(),
        })
    });
    applied
        .collect::<std::result::Result<_, _>>()
        .map_err(Error::database("understand the history of the migrations"))
}
