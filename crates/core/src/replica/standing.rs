//! Where a server stands in the history of its database, and what follows for a replica.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_postgres::types::PgLsn;
use usher_domain::ConsistencyToken;

use crate::{Connection, Error, Result, row};

/// Where a server stands in the history of its database.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    is_replica: bool,
    /// The cluster and the database in it: copies have the same.
    database: String,
    timeline: i32,
    /// The end of what is safe on a primary, or replayed on a replica. Some services do not tell.
    position: Option<u64>,
    /// Now on a primary; on a replica, when what it replayed last was committed.
    time: Option<OffsetDateTime>,
}

/// What came of asking a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its data is good.
    Used,
    /// It does not know yet of what the caller has seen.
    Behind,
    /// It is further behind than is allowed.
    Lagging,
    /// It is no replica of this database: promoted, on another timeline, or another server altogether.
    Foreign,
    /// All connections to it are in use.
    Busy,
    /// It cannot be reached, or does not answer.
    Away,
    /// It could not run the statement, such as while a change of the schema is replayed.
    Failed,
}

impl Outcome {
    /// Returns the word for it in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Behind => "behind",
            Self::Lagging => "lagging",
            Self::Foreign => "foreign",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Failed => "failed",
        }
    }
}

/// Returns where the server of a connection stands.
pub async fn standing(connection: &Connection) -> Result<Standing> {
    // A replica says which timeline it was on at its last restartpoint, and says so late: after a failover it is left out
    // for that long.
    let statement = "
        select
          pg_is_in_recovery() as is_replica,
          system.system_identifier || '/' || pg_database.oid as database,
          case
            when pg_is_in_recovery() then greatest(checkpoint.timeline_id, recovery.min_recovery_end_timeline)
            else ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::integer
          end as timeline,
          case
            when pg_is_in_recovery() then pg_last_wal_replay_lsn()
            else pg_current_wal_flush_lsn()
          end as position,
          case
            when pg_is_in_recovery() then pg_last_xact_replay_timestamp()
            else clock_timestamp()
          end as time
        from pg_database
        cross join pg_control_system() as system
        cross join pg_control_checkpoint() as checkpoint
        cross join pg_control_recovery() as recovery
        where pg_database.datname = current_database()";
    let row = connection.row("find standing", statement, &[]).await?;
    let row = row.ok_or_else(|| Error::corrupt("database", "is missing"))?;
    let position: Option<PgLsn> = row::get(&row, "position")?;
    Ok(Standing {
        is_replica: row::get(&row, "is_replica")?,
        database: row::get(&row, "database")?,
        timeline: row::get(&row, "timeline")?,
        position: position.map(u64::from),
        time: row::get(&row, "time")?,
    })
}

/// Returns the token of what was committed on a primary until now.
pub(crate) async fn token(connection: &Connection) -> Result<ConsistencyToken> {
    let statement = "select pg_current_wal_insert_lsn() as position";
    let row = connection.row("find position", statement, &[]).await?;
    let row = row.ok_or_else(|| Error::corrupt("position", "is missing"))?;
    let position: PgLsn = row::get(&row, "position")?;
    Ok(ConsistencyToken::new(position.into()))
}

/// Tells whether the data of a replica counts, by where it and its primary stood before it was read.
pub(super) fn judge(
    primary: &Standing,
    replica: &Standing,
    seen: Option<ConsistencyToken>,
    max_lag: Duration,
) -> Outcome {
    let is_copy = replica.is_replica
        && !primary.is_replica
        && (&replica.database, replica.timeline) == (&primary.database, primary.timeline);
    let (Some(position), Some(end), true) = (replica.position, primary.position, is_copy) else {
        return Outcome::Foreign;
    };
    let is_recent = replica
        .time
        .zip(primary.time)
        .is_some_and(|(replayed, now)| now - replayed <= max_lag);
    // When nothing is written, nothing is replayed either.
    let is_complete = position >= end;
    if !is_recent && !is_complete {
        Outcome::Lagging
    } else if seen.is_some_and(|seen| !seen.is_reached_by(position)) {
        Outcome::Behind
    } else {
        Outcome::Used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: Standing = Standing {
        is_replica: false,
        database: String::new(),
        timeline: 2,
        position: Some(1000),
        time: Some(OffsetDateTime::UNIX_EPOCH),
    };

    fn replica() -> Standing {
        Standing {
            is_replica: true,
            ..PRIMARY
        }
    }

    fn judged(replica: &Standing, seen: Option<u64>) -> Outcome {
        let seen = seen.map(ConsistencyToken::new);
        judge(&PRIMARY, replica, seen, Duration::from_secs(10))
    }

    fn seconds_ago(seconds: i64) -> Option<OffsetDateTime> {
        PRIMARY
            .time
            .map(|now| now - time::Duration::seconds(seconds))
    }

    #[test]
    fn a_replica_is_believed_as_far_as_it_is() {
        let replica = replica();
        assert_eq!(judged(&replica, None), Outcome::Used);
        assert_eq!(judged(&replica, Some(1000)), Outcome::Used);
        assert_eq!(judged(&replica, Some(1001)), Outcome::Behind);
    }

    #[test]
    fn what_it_replayed_last_is_recent_or_was_the_last() {
        for (position, seconds, outcome) in [
            (900, 10, Outcome::Used),
            (900, 11, Outcome::Lagging),
            (1000, 3600, Outcome::Used),
            (1001, 3600, Outcome::Used),
        ] {
            let replica = Standing {
                position: Some(position),
                time: seconds_ago(seconds),
                ..replica()
            };
            assert_eq!(judged(&replica, None), outcome, "{replica:?}");
        }
        let started_just_now = Standing {
            position: Some(900),
            time: None,
            ..replica()
        };
        assert_eq!(judged(&started_just_now, Some(800)), Outcome::Lagging);
    }

    #[test]
    fn any_other_server_is_foreign() {
        let others = [
            PRIMARY,
            Standing {
                database: "another".to_owned(),
                ..replica()
            },
            Standing {
                timeline: 1,
                ..replica()
            },
            Standing {
                position: None,
                ..replica()
            },
        ];
        for other in others {
            assert_eq!(judged(&other, None), Outcome::Foreign, "{other:?}");
        }
        let silent = Standing {
            position: None,
            ..PRIMARY
        };
        for primary in [replica(), silent] {
            let outcome = judge(&primary, &replica(), None, Duration::from_secs(10));
            assert_eq!(outcome, Outcome::Foreign, "{primary:?}");
        }
    }
}
