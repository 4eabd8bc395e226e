//! The rotation of refresh tokens (RFC 9700, 4.14.2).
//!
//! | presented | answer |
//! |---|---|
//! | the token in force | its successor, now in force |
//! | the one before, within 10 seconds | the same successor again: the first answer may have been lost |
//! | an older one | it was stolen, by this caller or from it: the session ends, and that is written down |
//! | one whose secret is listed no more | nothing happens; no token of the session is good any more |
//! | anything else | nothing happens: a guess must not end somebody's session |

use time::Duration;
use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, Origin, SessionId, UserId};

use super::{
    IDLE_DAYS, Session,
    ending::{Ending, end_as},
};
use crate::{
    Attempt, Author, Connection, Result,
    connection::Parameter,
    refresh::RefreshToken,
    row::{self, PROOF_COLUMNS, USER_COLUMNS},
    secret::Secret,
};

/// How long the token before the one in force still gets its successor.
const GRACE: Duration = Duration::seconds(10);

/// What presenting a refresh token led to.
pub enum Rotation {
    /// The session goes on.
    Renewed(Box<Session>),
    /// The token is not valid.
    Refused,
    /// The token had long been replaced; the session was ended.
    Reused,
}

/// A session as it is stored, whether alive or not.
pub(super) struct Stored {
    pub(super) user_id: UserId,
    hash: Vec<u8>,
    counter: u32,
    is_alive: bool,
    /// How long ago the token in force was given.
    age: Duration,
    row: tokio_postgres::Row,
}

impl Stored {
    /// Tells whether the token in force is this one or came of it.
    pub(super) fn is_reached_from(&self, token: &RefreshToken, secret: &Secret) -> bool {
        token.leads_to(self.counter, &self.hash, secret)
    }
}

/// Exchanges a refresh token for its successor. One round trip, two when the token is not the one in force.
pub async fn rotate(
    connection: &Connection,
    origin: &Origin,
    presented: &RefreshToken,
    secret: &Secret,
    attempt: Option<&Attempt>,
) -> Result<Rotation> {
    let author = Author::subject(presented.session(), origin).once(attempt);
    // A session ends with the secret that it was begun with.
    let Some(successor) = presented.successor(secret) else {
        return Ok(Rotation::Refused);
    };
    if let Some(session) = advance(connection, author, presented, successor.clone()).await? {
        return Ok(Rotation::Renewed(Box::new(session)));
    }
    let Some(stored) = find(connection, presented.session()).await? else {
        return Ok(Rotation::Refused);
    };
    if !stored.is_alive || !stored.is_reached_from(presented, secret) {
        return Ok(Rotation::Refused);
    }
    match stored.counter.wrapping_sub(presented.counter()) {
        // In force, but another condition was not met: the account is inactive, or a rotation was just undone.
        0 => Ok(Rotation::Refused),
        1 if stored.age < GRACE => {
            let session = Session::read(&stored.row, successor, stored.age)?;
            Ok(Rotation::Renewed(Box::new(session)))
        }
        _ => {
            let author = Author::nobody(origin);
            end_as(connection, author, presented.session(), Ending::Theft).await?;
            Ok(Rotation::Reused)
        }
    }
}

/// Puts the successor in force if the presented token is.
async fn advance(
    connection: &Connection,
    author: Author<'_>,
    presented: &RefreshToken,
    successor: RefreshToken,
) -> Result<Option<Session>> {
    let change = format!(
        "change as (
          update sessions
          set
            refresh_hash = $3,
            refresh_counter = refresh_counter + 1,
            refreshed_at = now()
          from users
          where sessions.id = $1
            and sessions.refresh_hash = $2
            and sessions.ended_at is null
            and sessions.expires_at > now()
            and sessions.refreshed_at > now() - make_interval(days => $4)
            and users.id = sessions.user_id
            and users.is_active
            and users.deleted_at is null
          returning
            {USER_COLUMNS},
            {PROOF_COLUMNS},
            sessions.refreshed_at as issued_at,
            users.id as entity_id
        )"
    );
    let (presented_hash, successor_hash) = (presented.hash(), successor.hash());
    let event = Event::new(Action::Refresh, Entity::User).with_session(presented.session());
    let parameters: &[Parameter<'_>] = &[
        (&presented.session().get(), Type::UUID),
        (&presented_hash.as_slice(), Type::BYTEA),
        (&successor_hash.as_slice(), Type::BYTEA),
        (&IDLE_DAYS, Type::INT4),
    ];
    let changed = connection
        .change_once("rotate session", author, &event, &change, parameters)
        .await?;
    changed
        .map(|changed| Session::of(&changed, successor))
        .transpose()
}

pub(super) async fn find(connection: &Connection, id: SessionId) -> Result<Option<Stored>> {
    let statement = format!(
        "select
          {USER_COLUMNS},
          sessions.refresh_hash,
          sessions.refresh_counter,
          {PROOF_COLUMNS},
          sessions.refreshed_at as issued_at,
          extract(epoch from now() - sessions.refreshed_at)::double precision as age,
          sessions.ended_at is null
            and sessions.expires_at > now()
            and users.is_active
            and users.deleted_at is null as is_alive
        from sessions
        join users on users.id = sessions.user_id
        where sessions.id = $1"
    );
    let row = connection
        .row("find session", &statement, &[(&id.get(), Type::UUID)])
        .await?;
    row.map(|row| {
        let counter: i32 = row::get(&row, "refresh_counter")?;
        Ok(Stored {
            user_id: UserId::new(row::get(&row, "id")?),
            hash: row::get(&row, "refresh_hash")?,
            counter: u32::try_from(counter).unwrap_or_default(),
            is_alive: row::get(&row, "is_alive")?,
            age: row::age(&row)?,
            row,
        })
    })
    .transpose()
}
