//! Whether the database answers, and whether its schema is the one this build needs.

use std::time::{Duration, Instant};

use crate::{Connection, Result, row};

/// The newest migration this build relies on. A newer schema is fine: migrations only expand what older builds use.
pub const SCHEMA_VERSION: i64 = 20_261_126_200_000;

/// What the database answered.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The newest migration it has.
    pub schema_version: i64,
    /// How long the round trip took.
    pub latency: Duration,
}

impl Report {
    /// Tells whether this build can work with the schema.
    pub fn is_ready(&self) -> bool {
        self.schema_version >= SCHEMA_VERSION
    }
}

/// Asks the database for its schema version.
pub async fn check(connection: &Connection) -> Result<Report> {
    let started = Instant::now();
    let statement =
        "select coalesce(max(version), 0)::bigint as version from refinery_schema_history";
    let answer = connection.row("check health", statement, &[]).await?;
    let version = answer
        .as_ref()
        .map(|answer| row::get(answer, "version"))
        .transpose()?;
    Ok(Report {
        schema_version: version.unwrap_or_default(),
        latency: started.elapsed(),
    })
}
