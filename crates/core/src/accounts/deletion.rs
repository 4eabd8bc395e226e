//! The deletion of one's own account, which can be undone for a while.
//!
//! Whoever asks for it is signed out everywhere and cannot sign in. When the time is over, the account goes as if an
//! administrator had removed it. As everywhere, the row of the user is locked before that of the deletion.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use usher_domain::{Action, Email, Entity, Event, UserId};

use crate::{
    Author, Connection, Result, connection::Parameter, mails::Mail, one_time::Token,
    passwords::PasswordHash, row,
};

/// How many accounts are removed at once; the next call goes on.
const MOST_REMOVED: i64 = 100;

/// An account to be deleted after a while.
pub struct NewDeletion<'a> {
    /// Whose account it is.
    pub user: UserId,
    /// The hash that the password was checked against.
    pub checked: &'a PasswordHash,
    /// For how many days it can be undone.
    pub days: i32,
    /// The token that undoes it.
    pub restore: &'a Token,
}

/// Deactivates an account until it is deleted, or returns `false` when its password was changed meanwhile.
///
/// Fails with [`Constraint::LastAdmin`](crate::Constraint::LastAdmin) when nobody else is an active admin.
pub async fn request_deletion(
    connection: &Connection,
    author: Author<'_>,
    new: &NewDeletion<'_>,
    mail: &Mail,
) -> Result<bool> {
    let statement = "account as (
          select id
          from users
          where id = $1
            and password = $2
            and is_active
            and deleted_at is null
          for no key update
        ),
        deletion as (
          insert into account_deletions (
            user_id,
            due_at,
            restore_hash
          )
          select
            account.id,
            now() + make_interval(days => $3),
            $4
          from account
          on conflict (user_id) do update
          set
            due_at = excluded.due_at,
            restore_hash = excluded.restore_hash,
            created_at = now(),
            ended_at = null
          returning user_id
        ),
        change as (
          update users
          set
            is_active = false,
            version = users.version + 1,
            updated_at = now()
          from deletion
          where users.id = deletion.user_id
          returning users.id as entity_id
        )";
    let hash = new.restore.hash();
    let parameters: &[Parameter<'_>] = &[
        (&new.user.get(), Type::INT8),
        (&new.checked.as_str(), Type::TEXT),
        (&new.days, Type::INT4),
        (&hash.as_slice(), Type::BYTEA),
    ];
    let event = Event::new(Action::DeletionRequest, Entity::User)
        .with_payload(serde_json::json!({ "days": new.days }));
    let author = author.mailing(mail);
    let row = connection
        .change("request deletion", author, &event, statement, parameters)
        .await?;
    Ok(row.is_some())
}

/// Returns when the account of a user is deleted, if that is to be.
pub async fn find_deletion(
    connection: &Connection,
    user: UserId,
) -> Result<Option<OffsetDateTime>> {
    let statement = "select due_at from account_deletions where user_id = $1 and ended_at is null";
    let row = connection
        .row("find deletion", statement, &[(&user.get(), Type::INT8)])
        .await?;
    row.map(|row| row::get(&row, "due_at")).transpose()
}

/// Tells in a statement whether a deletion, joined with its user, can still be undone.
const IS_UNDOABLE: &str = "account_deletions.ended_at is null
            and account_deletions.due_at > now()
            and not users.is_active
            and users.deleted_at is null";

/// Returns the address of the account that a link restores, without using it: it is written to.
pub async fn find_restorable(connection: &Connection, token: &Token) -> Result<Option<Email>> {
    let statement = format!(
        "select users.email
        from account_deletions
        join users on users.id = account_deletions.user_id
        where account_deletions.restore_hash = $1
          and {IS_UNDOABLE}"
    );
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[(&hash.as_slice(), Type::BYTEA)];
    let row = connection
        .row("find restorable account", &statement, parameters)
        .await?;
    row.map(|row| row::parse(&row, "email", Email::parse))
        .transpose()
}

/// Undoes a deletion that is not due yet, or returns `false` when the link is not good.
pub async fn restore(
    connection: &Connection,
    author: Author<'_>,
    token: &Token,
    mail: &Mail,
) -> Result<bool> {
    let statement = format!(
        "account as (
          select users.id
          from account_deletions
          join users on users.id = account_deletions.user_id
          where account_deletions.restore_hash = $1
            and {IS_UNDOABLE}
          for no key update of users
        ),
        restored as (
          update account_deletions
          set ended_at = now()
          from account
          where account_deletions.user_id = account.id
            and account_deletions.restore_hash = $1
            and account_deletions.ended_at is null
            and account_deletions.due_at > now()
          returning account_deletions.user_id
        ),
        change as (
          update users
          set
            is_active = true,
            version = users.version + 1,
            updated_at = now()
          from restored
          where users.id = restored.user_id
          returning users.id as entity_id
        )"
    );
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[(&hash.as_slice(), Type::BYTEA)];
    let event = Event::new(Action::Restore, Entity::User);
    let author = author.mailing(mail);
    let row = connection
        .change("restore account", author, &event, &statement, parameters)
        .await?;
    Ok(row.is_some())
}

/// Voids the link that undoes the deletion of a user, whom somebody else wants to stay deactivated. The day stays.
///
/// What the link is in its place is known to nobody. Without a deletion there is nothing to do.
pub async fn bar_restoration(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
) -> Result<()> {
    let statement = "change as (
          update account_deletions
          set restore_hash = $2
          where user_id = $1
            and ended_at is null
          returning user_id as entity_id
        )";
    let hash = Token::generate()?.hash();
    let parameters: &[Parameter<'_>] =
        &[(&user.get(), Type::INT8), (&hash.as_slice(), Type::BYTEA)];
    let event = Event::new(Action::Update, Entity::User)
        .with_payload(serde_json::json!({ "restoration": "barred" }));
    connection
        .change("bar restoration", author, &event, statement, parameters)
        .await?;
    Ok(())
}

/// Writes down that a link to undo a deletion was shown which is not good.
pub async fn record_refused_restore(connection: &Connection, author: Author<'_>) -> Result<()> {
    let event = Event::new(Action::SecretRefused, Entity::User)
        .with_payload(serde_json::json!({ "purpose": "restore-account" }));
    let change = "change as (select null::bigint as entity_id)";
    connection
        .change("record refused restore", author, &event, change, &[])
        .await?;
    Ok(())
}

/// Removes accounts whose deletion is due, at most 100, each with an audit entry. Who is removed twice at once is removed once.
///
/// The entry does not repeat what the account held: its owner wanted that to go.
pub async fn remove_due(connection: &Connection, author: Author<'_>) -> Result<()> {
    let statement = "due as (
          select users.id
          from account_deletions
          join users on users.id = account_deletions.user_id
          where account_deletions.ended_at is null
            and account_deletions.due_at <= now()
            and not users.is_active
            and users.deleted_at is null
          order by account_deletions.due_at
          limit $1
          for no key update of users skip locked
        ),
        ended as (
          update account_deletions
          set ended_at = now()
          from due
          where account_deletions.user_id = due.id
            and account_deletions.ended_at is null
            and account_deletions.due_at <= now()
          returning account_deletions.user_id
        ),
        change as (
          update users
          set
            deleted_at = now(),
            version = users.version + 1,
            updated_at = now()
          from ended
          where users.id = ended.user_id
          returning users.id as entity_id
        )";
    let event = Event::new(Action::Delete, Entity::User)
        .with_payload(serde_json::json!({ "reason": "deletion-due" }));
    let parameters: &[Parameter<'_>] = &[(&MOST_REMOVED, Type::INT8)];
    connection
        .change("remove due accounts", author, &event, statement, parameters)
        .await?;
    Ok(())
}
