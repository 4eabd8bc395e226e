//! How sessions end before their time.

use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, Origin, SessionId};

use super::rotation;
use crate::{
    Author, Connection, Result,
    connection::Parameter,
    refresh::RefreshToken,
    row,
    secret::Secret,
    tokens::{Presented, Principal},
};

/// Why a session ends.
pub(super) enum Ending {
    /// By its user, with an access token when there is one, which has to hold.
    SignOut(Option<Presented>),
    /// Because somebody has a token that was replaced long ago.
    Theft,
}

/// Ends the session of an access token, and tells whether the token holds. A session that has ended stays so.
pub async fn end(connection: &Connection, origin: &Origin, token: Presented) -> Result<bool> {
    let Principal { user, session } = token.principal;
    let author = Author::user(user, session, origin);
    if end_as(connection, author, session, Ending::SignOut(Some(token))).await? {
        return Ok(true);
    }
    let statement = "select now() >= $1 and now() < $2 as holds";
    let parameters: &[Parameter<'_>] = &[
        (&token.from, Type::TIMESTAMPTZ),
        (&token.until, Type::TIMESTAMPTZ),
    ];
    let row = connection.row("check token", statement, parameters).await?;
    row.map_or(Ok(false), |row| row::get(&row, "holds"))
}

/// Ends the session that a refresh token belongs to; a token that belongs to none changes nothing (RFC 7009, 2.2).
pub async fn end_by_token(
    connection: &Connection,
    origin: &Origin,
    token: &RefreshToken,
    secret: &Secret,
) -> Result<()> {
    let Some(stored) = rotation::find(connection, token.session()).await? else {
        return Ok(());
    };
    if !stored.is_reached_from(token, secret) {
        return Ok(());
    }
    let author = Author::user(stored.user_id, token.session(), origin);
    end_as(connection, author, token.session(), Ending::SignOut(None)).await?;
    Ok(())
}

/// Ends a session, and tells whether it did.
pub(super) async fn end_as(
    connection: &Connection,
    author: Author<'_>,
    session: SessionId,
    ending: Ending,
) -> Result<bool> {
    let (action, reason, token) = match ending {
        Ending::SignOut(token) => (Action::Logout, "logout", token),
        Ending::Theft => (Action::RefreshReuse, "theft", None),
    };
    let change = "change as (
          update sessions
          set
            ended_at = now(),
            end_reason = $2
          where id = $1
            and ended_at is null
            and now() >= coalesce($3, now())
            and now() < coalesce($4, 'infinity')
          returning user_id as entity_id
        )";
    let parameters: &[Parameter<'_>] = &[
        (&session.get(), Type::UUID),
        (&reason, Type::TEXT),
        (&token.map(|token| token.from), Type::TIMESTAMPTZ),
        (&token.map(|token| token.until), Type::TIMESTAMPTZ),
    ];
    let event = Event::new(action, Entity::User).with_session(session);
    let ended = connection
        .change("end session", author, &event, change, parameters)
        .await?;
    Ok(ended.is_some())
}
