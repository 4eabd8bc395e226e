//! Passkeys: the public keys that people sign in with, several for each account.
//!
//! A ceremony is a question to an authenticator and its answer. The question is a row that is good once and for five minutes: who
//! asked has its token, of which only the hash is kept. The statement of the change that the answer allows marks the row as used.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Entity, Event, PasskeyId, PasskeyName, SessionId, UserId};
use uuid::Uuid;

use crate::{Author, Connection, Result, connection::Parameter, mails::Mail, row};

mod ceremony;
mod prove;
mod register;
mod sign_in;

pub use ceremony::{Begun, begin_registration, begin_sign_in, begin_step_up};
pub use prove::{ProvingPasskey, prove};
pub use register::{NewPasskey, Registered, register};
pub use sign_in::{SignInPasskey, sign_in};

/// How many passkeys a user may have, as the database holds it.
pub const MOST: usize = 20;

/// A passkey as its owner knows it.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// The id.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: PasskeyName,
    /// Whether it has been copied to other devices of its owner.
    pub is_synced: bool,
    /// When it was added.
    pub created_at: OffsetDateTime,
    /// When somebody signed in with it last.
    pub last_used_at: Option<OffsetDateTime>,
}

/// The columns that [`read`] reads.
const COLUMNS: &str = "
  passkeys.id as passkey_id,
  passkeys.name,
  passkeys.is_synced,
  passkeys.created_at,
  passkeys.last_used_at";

fn read(row: &Row) -> Result<Passkey> {
    Ok(Passkey {
        id: PasskeyId::new(row::get(row, "passkey_id")?),
        name: row::parse(row, "name", PasskeyName::parse)?,
        is_synced: row::get(row, "is_synced")?,
        created_at: row::get(row, "created_at")?,
        last_used_at: row::get(row, "last_used_at")?,
    })
}

/// Returns the passkeys of a user, the newest first.
pub async fn list(connection: &Connection, user: UserId) -> Result<Vec<Passkey>> {
    let statement = format!(
        "select {COLUMNS}
        from passkeys
        where user_id = $1
        order by created_at desc, id"
    );
    let rows = connection
        .rows("list passkeys", &statement, &[(&user.get(), Type::INT8)])
        .await?;
    rows.iter().map(read).collect()
}

/// What authenticators have to know of a user before they make a passkey.
#[derive(Clone, Debug)]
pub struct Known {
    handle: Option<Uuid>,
    credentials: Vec<Vec<u8>>,
}

impl Known {
    /// Tells whether the user has none.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Tells whether the user has as many passkeys as there may be.
    pub fn is_full(&self) -> bool {
        self.credentials.len() >= MOST
    }
}

/// Returns what authenticators have to know of a user.
pub async fn find_known(connection: Arc<Connection>, user: UserId) -> Result<Known> {
    let statement = "select
          (select handle from passkey_handles where user_id = $1) as handle,
          array(select credential_id from passkeys where user_id = $1 order by id) as credentials";
    let row = connection
        .row(
            "find known passkeys",
            statement,
            &[(&user.get(), Type::INT8)],
        )
        .await?;
    let row = row.ok_or_else(|| crate::Error::corrupt("handle", "there is no row"))?;
    Ok(Known {
        handle: row::get(&row, "handle")?,
        credentials: row::get(&row, "credentials")?,
    })
}

/// Calls an own passkey otherwise, or returns `None` when there is none with the id.
pub async fn rename(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
    passkey: PasskeyId,
    name: &PasskeyName,
) -> Result<Option<Passkey>> {
    let change = format!(
        "change as (
          update passkeys
          set name = $3
          where id = $1
            and user_id = $2
          returning {COLUMNS}, passkeys.user_id as entity_id
        )"
    );
    let event = Event::new(Action::PasskeyRename, Entity::User)
        .with_payload(serde_json::json!({ "passkeyId": passkey, "name": name }));
    let parameters: &[Parameter<'_>] = &[
        (&passkey.get(), Type::UUID),
        (&user.get(), Type::INT8),
        (&name.as_str(), Type::TEXT),
    ];
    let row = connection
        .change("rename passkey", author, &event, &change, parameters)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Removes an own passkey and ends all other sessions, since they may be those of whoever had it (ASVS 5.0.0, 7.4.3). Returns
/// `false` when there is none with the id.
pub async fn remove(
    connection: &Connection,
    author: Author<'_>,
    (user, session): (UserId, SessionId),
    passkey: PasskeyId,
    mail: &Mail,
) -> Result<bool> {
    let change = "gone as (
          delete from passkeys
          where id = $1
            and user_id = $2
          returning passkeys.user_id
        ),
        ended as (
          update sessions
          set
            ended_at = now(),
            end_reason = 'revoked'
          from gone
          where sessions.user_id = gone.user_id
            and sessions.id <> $3
            and sessions.ended_at is null
        ),
        change as (
          select gone.user_id as entity_id
          from gone
        )";
    let event = Event::new(Action::PasskeyRemove, Entity::User)
        .with_payload(serde_json::json!({ "passkeyId": passkey, "sessions": "others" }));
    let parameters: &[Parameter<'_>] = &[
        (&passkey.get(), Type::UUID),
        (&user.get(), Type::INT8),
        (&session.get(), Type::UUID),
    ];
    let author = author.mailing(mail);
    let row = connection
        .change("remove passkey", author, &event, change, parameters)
        .await?;
    Ok(row.is_some())
}
