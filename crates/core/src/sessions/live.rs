//! The sessions of a user that are alive: listed, and ended from another one (ASVS 5.0.0, 7.5.2 and 7.4.5).

use std::net::IpAddr;

use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Entity, Event, SessionId, UserId};

use super::IDLE_DAYS;
use crate::{Author, Connection, Result, connection::Parameter, row};

/// How many sessions are listed, those used last. A user may have more, and ends them all at once.
pub const MOST_LISTED: i64 = 100;

/// A session that is alive, as its user knows it.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// The session.
    pub id: SessionId,
    /// When the user signed in.
    pub created_at: OffsetDateTime,
    /// When it was last prolonged; whoever is at work does that every few minutes.
    pub last_seen_at: OffsetDateTime,
    /// When it ends by itself unless it is prolonged before.
    pub expires_at: OffsetDateTime,
    /// Where the user signed in from.
    pub ip: Option<IpAddr>,
    /// With which program.
    pub user_agent: Option<String>,
}

/// Returns the sessions of a user that are alive, the one used last first.
pub async fn list(connection: &Connection, user: UserId) -> Result<Vec<LiveSession>> {
    let statement = "
      select
        id,
        created_at,
        refreshed_at as last_seen_at,
        least(expires_at, refreshed_at + make_interval(days => $2)) as expires_at,
        ip,
        user_agent
      from sessions
      where user_id = $1
        and ended_at is null
        and expires_at > now()
        and refreshed_at > now() - make_interval(days => $2)
      order by refreshed_at desc, id
      limit $3";
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&IDLE_DAYS, Type::INT4),
        (&MOST_LISTED, Type::INT8),
    ];
    let rows = connection
        .rows("list sessions", statement.trim_start(), parameters)
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<LiveSession> {
    Ok(LiveSession {
        id: SessionId::new(row::get(row, "id")?),
        created_at: row::get(row, "created_at")?,
        last_seen_at: row::get(row, "last_seen_at")?,
        expires_at: row::get(row, "expires_at")?,
        ip: row::get(row, "ip")?,
        user_agent: row::get(row, "user_agent")?,
    })
}

/// Ends one session of a user, and tells whether there was one.
pub async fn end_one(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
    session: SessionId,
) -> Result<bool> {
    let change = "change as (
          update sessions
          set
            ended_at = now(),
            end_reason = 'revoked'
          where id = $1
            and user_id = $2
            and ended_at is null
            and expires_at > now()
          returning user_id as entity_id
        )";
    let parameters: &[Parameter<'_>] = &[(&session.get(), Type::UUID), (&user.get(), Type::INT8)];
    let event = Event::new(Action::Logout, Entity::User).with_session(session);
    let ended = connection
        .change("end one session", author, &event, change, parameters)
        .await?;
    Ok(ended.is_some())
}

/// Ends all sessions of a user but one, or really all of them.
pub async fn end_all(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
    but: Option<SessionId>,
) -> Result<()> {
    let change = "ended as (
          update sessions
          set
            ended_at = now(),
            end_reason = 'revoked'
          where user_id = $1
            and id is distinct from $2
            and ended_at is null
        ),
        change as (
          select $1::bigint as entity_id
        )";
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&but.map(SessionId::get), Type::UUID),
    ];
    let ended = match but {
        Some(_) => "others",
        None => "all",
    };
    let event = Event::new(Action::Logout, Entity::User)
        .with_payload(serde_json::json!({ "sessions": ended }));
    connection
        .change("end all sessions", author, &event, change, parameters)
        .await?;
    Ok(())
}
