//! Second factors that are given up: by their owner, or by an administrator when the owner has lost them.

use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, SessionId, UserId};

use crate::{Author, Connection, Result, connection::Parameter, mails::Mail};

/// Removes the authenticator app of a user and the recovery codes, and ends all sessions but the one that goes on; or returns
/// `false` when there is none, or when the password is too short to stand alone.
pub async fn remove_totp(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
    session: SessionId,
    mail: &Mail,
) -> Result<bool> {
    let change = "account as (
          select id
          from users
          where id = $1
            and not (has_short_password and second_factors <@ array['totp'])
            and is_active
            and deleted_at is null
          for no key update
        ),
        removed as (
          delete from totp_factors
          using account
          where totp_factors.user_id = account.id
            and totp_factors.confirmed_at is not null
          returning totp_factors.user_id
        ),
        void as (
          delete from recovery_codes
          using removed
          where recovery_codes.user_id = removed.user_id
        ),
        change as (
          update users
          set
            second_factors = array_remove(users.second_factors, 'totp'),
            factors_changed_at = now()
          from removed
          where users.id = removed.user_id
          returning
            users.id as entity_id,
            set_config('usher.kept_session', $2, true) as kept_session
        )";
    let session = session.to_string();
    let parameters: &[Parameter<'_>] = &[(&user.get(), Type::INT8), (&session, Type::TEXT)];
    let event = Event::new(Action::FactorRemove, Entity::User)
        .with_payload(serde_json::json!({ "factors": "totp" }));
    let author = author.mailing(mail);
    let row = connection
        .change("remove factor", author, &event, change, parameters)
        .await?;
    Ok(row.is_some())
}

/// Removes all second factors of a user and ends all sessions, or returns `false` when there is none. A password that is too
/// short to stand alone goes, too: its owner chooses another one by mail.
pub async fn remove_all(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
    mail: &Mail,
) -> Result<bool> {
    let change = "account as (
          select
            id,
            has_short_password
          from users
          where id = $1
            and cardinality(second_factors) > 0
            and deleted_at is null
          for no key update
        ),
        removed as (
          delete from totp_factors
          using account
          where totp_factors.user_id = account.id
        ),
        void as (
          delete from recovery_codes
          using account
          where recovery_codes.user_id = account.id
        ),
        change as (
          update users
          set
            second_factors = '{}',
            factors_changed_at = now(),
            has_short_password = false,
            password = case when account.has_short_password then null else users.password end
          from account
          where users.id = account.id
          returning users.id as entity_id
        )";
    let event = Event::new(Action::FactorRemove, Entity::User)
        .with_payload(serde_json::json!({ "factors": "all" }));
    let author = author.mailing(mail);
    let user = &[(
        &user.get() as &(dyn tokio_postgres::types::ToSql + Sync),
        Type::INT8,
    )];
    let row = connection
        .change("remove all factors", author, &event, change, user)
        .await?;
    Ok(row.is_some())
}
