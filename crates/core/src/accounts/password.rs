//! A password that its owner changes, who knows the present one.

use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, SessionId, UserId};

use super::kept_session;
use crate::{
    Author, Connection, Error, Result, connection::Parameter, mails::Mail, passwords::PasswordHash,
    row,
};

/// Returns the hash of the password of a user, who may have none.
pub async fn find_password(connection: &Connection, user: UserId) -> Result<Option<PasswordHash>> {
    let statement = "select password from users where id = $1 and deleted_at is null";
    let row = connection
        .row("find password", statement, &[(&user.get(), Type::INT8)])
        .await?;
    let password: Option<String> = row.map_or(Ok(None), |row| row::get(&row, "password"))?;
    Ok(password.map(PasswordHash::new))
}

/// What an account has to prove its owner with, beside second factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Whether it has a password.
    pub has_password: bool,
    /// Whether it has a passkey.
    pub has_passkey: bool,
}

/// Returns what a user can prove who they are with.
pub async fn find_means(connection: &Connection, user: UserId) -> Result<Means> {
    let statement = "select
          exists (
            select
            from users
            where id = $1
              and password is not null
              and deleted_at is null
          ) as has_password,
          exists (
            select
            from passkeys
            where user_id = $1
          ) as has_passkey";
    let row = connection
        .row("find means", statement, &[(&user.get(), Type::INT8)])
        .await?;
    let row = row.ok_or_else(|| Error::corrupt("has_password", "there is no row"))?;
    Ok(Means {
        has_password: row::get(&row, "has_password")?,
        has_passkey: row::get(&row, "has_passkey")?,
    })
}

/// Writes down that somebody who is signed in was asked for the password and did not know it.
pub async fn record_refused_password(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
) -> Result<()> {
    let event = Event::new(Action::PasswordRefused, Entity::User);
    let change = "change as (select $1::bigint as entity_id)";
    connection
        .change(
            "record refused password",
            author,
            &event,
            change,
            &[(&user.get(), Type::INT8)],
        )
        .await?;
    Ok(())
}

/// A password in place of another one.
pub struct PasswordChange<'a> {
    /// Whose it is.
    pub user: UserId,
    /// The session that goes on; all others end.
    pub session: SessionId,
    /// The hash that the present password was checked against.
    pub checked: &'a PasswordHash,
    /// The hash of the new one.
    pub password: &'a PasswordHash,
    /// Whether the new one is enough beside a second factor alone.
    pub is_short: bool,
}

/// Changes a password, or returns `false` when it was changed meanwhile. Links to choose another one are void from now on.
pub async fn change_password(
    connection: &Connection,
    author: Author<'_>,
    new: &PasswordChange<'_>,
    mail: &Mail,
) -> Result<bool> {
    let change = format!(
        "void as (
          update one_time_secrets
          set used_at = now()
          where user_id = $1
            and purpose = 'reset-password'
            and used_at is null
        ),
        change as (
          update users
          set
            password = $2,
            has_short_password = $5,
            password_changed_at = now()
          where id = $1
            and password = $3
            and (not $5 or cardinality(second_factors) > 0)
            and is_active
            and deleted_at is null
          returning
            users.id as entity_id,
            {kept_session}
        )",
        kept_session = kept_session(4),
    );
    let session = new.session.to_string();
    let parameters: &[Parameter<'_>] = &[
        (&new.user.get(), Type::INT8),
        (&new.password.as_str(), Type::TEXT),
        (&new.checked.as_str(), Type::TEXT),
        (&session, Type::TEXT),
        (&new.is_short, Type::BOOL),
    ];
    let event = Event::new(Action::PasswordChange, Entity::User);
    let author = author.mailing(mail);
    let row = connection
        .change("change password", author, &event, &change, parameters)
        .await?;
    Ok(row.is_some())
}
