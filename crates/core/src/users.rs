//! Users: all that is read and written of them.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use usher_domain::{
    Action, Email, Entity, Event, Factors, NewUser, Permission, Permissions, User, UserId,
};

use crate::{
    Attempt, Author, Connection, Result, idempotency,
    passwords::PasswordHash,
    roles::PERMISSIONS_OF_USER,
    row::{self, USER_COLUMNS},
};

mod list;
mod order;
mod search;

pub use list::{Count, ListUsers, count, list};

/// Tells in a statement whether somebody has to verify the address before signing in.
pub(crate) const MUST_VERIFY: &str =
    "(users.is_self_registered and users.email_verified_at is null)";

/// Tells in a statement whether nobody has ever been in an account: somebody registered it and no address of it was verified.
/// Whoever registers or accepts an invitation next gets it.
pub(crate) const IS_UNCLAIMED: &str =
    "(users.is_self_registered and users.email_verified_at is null and not users.was_verified)";

/// A user with the permissions held, as somebody who acts on the user needs to know.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user.
    pub user: User,
    /// What the roles of the user allow.
    pub permissions: Permissions,
}

/// A user with what a sign-in is checked against.
pub struct Credentials {
    /// The user.
    pub user: User,
    /// The hashed password; an account may have none.
    pub password: Option<PasswordHash>,
    /// Whether the user has to verify the address first.
    pub must_verify: bool,
    /// When the account is deleted, if its owner wants that.
    pub deletion_due_at: Option<OffsetDateTime>,
    /// The second factors that the account has.
    pub factors: Factors,
}

/// Returns a user.
pub async fn find(connection: &Connection, id: UserId) -> Result<Option<User>> {
    let statement =
        format!("select {USER_COLUMNS} from users where id = $1 and deleted_at is null");
    let row = connection
        .row("find user", &statement, &[(&id.get(), Type::INT8)])
        .await?;
    row.as_ref().map(row::user).transpose()
}

/// Returns a user with the permissions held.
pub async fn find_subject(connection: &Connection, id: UserId) -> Result<Option<Subject>> {
    let statement = format!(
        "select {USER_COLUMNS}, {PERMISSIONS_OF_USER} from users where id = $1 and deleted_at is null"
    );
    let row = connection
        .row("find subject", &statement, &[(&id.get(), Type::INT8)])
        .await?;
    row.map(|row| {
        Ok(Subject {
            user: row::user(&row)?,
            permissions: row::permissions(&row)?,
        })
    })
    .transpose()
}

/// Returns what a sign-in with this address is checked against.
pub async fn find_credentials(
    connection: &Connection,
    email: &Email,
) -> Result<Option<Credentials>> {
    let statement = format!(
        "select
          {USER_COLUMNS},
          users.password,
          {MUST_VERIFY} as must_verify,
          users.second_factors,
          account_deletions.due_at as deletion_due_at
        from users
        left join account_deletions
          on account_deletions.user_id = users.id
          and account_deletions.ended_at is null
        where users.email = $1
          and users.deleted_at is null"
    );
    let row = connection
        .row(
            "find credentials",
            &statement,
            &[(&email.as_str(), Type::TEXT)],
        )
        .await?;
    row.map(|row| {
        let password: Option<String> = row::get(&row, "password")?;
        Ok(Credentials {
            user: row::user(&row)?,
            password: password.map(PasswordHash::new),
            must_verify: row::get(&row, "must_verify")?,
            deletion_due_at: row::get(&row, "deletion_due_at")?,
            factors: row::factors(&row)?,
        })
    })
    .transpose()
}

/// Creates a user, or returns `None` when its roles allow what `grantable` does not hold.
pub async fn insert(
    connection: &Connection,
    author: Author<'_>,
    new: &NewUser,
    password: Option<&PasswordHash>,
    grantable: &Permissions,
) -> Result<Option<User>> {
    let change = format!(
        "change as (
          insert into users (
            name,
            email,
            password,
            roles,
            is_active,
            avatar_url
          )
          select $1, $2, $3, $4, $5, $6
          where {guard}
          returning {USER_COLUMNS}, users.id as entity_id
        )",
        guard = grant_guard("$4", "$7"),
    );
    let event = Event::new(Action::Create, Entity::User).with_diff(new.created());
    let parameters: &[crate::connection::Parameter<'_>] = &[
        (&new.name.as_str(), Type::TEXT),
        (&new.email.as_str(), Type::TEXT),
        (&password.map(PasswordHash::as_str), Type::TEXT),
        (&new.roles.names(), Type::TEXT_ARRAY),
        (&new.is_active, Type::BOOL),
        (
            &new.avatar_url.as_ref().map(usher_domain::AvatarUrl::as_str),
            Type::TEXT,
        ),
        (&spellings(grantable), Type::TEXT_ARRAY),
    ];
    let row = connection
        .change("insert user", author, &event, &change, parameters)
        .await?;
    row.as_ref().map(row::user).transpose()
}

/// Returns the user as an earlier attempt at the same request left it, or `None` when there was none.
pub async fn find_attempted(connection: &Connection, attempt: &Attempt) -> Result<Option<User>> {
    let row = idempotency::find(connection, attempt).await?;
    row.as_ref().map(row::user).transpose()
}

/// A stored hash in place of one that is bound to the address (see [`crate::passwords::Passwords::rebind`]).
pub struct Rebound {
    /// The one that is bound to the address.
    pub from: PasswordHash,
    /// The same, bound to the id.
    pub to: PasswordHash,
}

/// Makes `before` into `after` with its audit entry, and returns the user as it is now.
///
/// Nothing happens and `None` comes back when the user is no longer at `before.version`, or when roles are added that
/// allow what `grantable` does not hold. A hash that was replaced meanwhile is not `rebound`.
pub async fn change(
    connection: &Connection,
    author: Author<'_>,
    action: Action,
    before: &User,
    after: &User,
    grantable: &Permissions,
    rebound: Option<&Rebound>,
) -> Result<Option<User>> {
    let change = format!(
        "change as (
          update users
          set
            password = case when password = $10 then $11 else password end,
            name = $3,
            email = $4,
            email_verified_at = case when email = $4 then email_verified_at end,
            roles = $5,
            is_active = $6,
            avatar_url = $7,
            version = version + 1,
            updated_at = now()
          where id = $1
            and version = $2
            and deleted_at is null
            and {guard}
          returning {USER_COLUMNS}, users.id as entity_id
        )",
        guard = grant_guard("$8", "$9"),
    );
    let held = before.roles.names();
    let added: Vec<_> = after
        .roles
        .names()
        .into_iter()
        .filter(|role| !held.contains(role))
        .collect();
    let event = Event::new(action, Entity::User).with_diff(before.diff(after));
    let parameters: &[crate::connection::Parameter<'_>] = &[
        (&before.id.get(), Type::INT8),
        (&before.version, Type::INT8),
        (&after.name.as_str(), Type::TEXT),
        (&after.email.as_str(), Type::TEXT),
        (&after.roles.names(), Type::TEXT_ARRAY),
        (&after.is_active, Type::BOOL),
        (
            &after
                .avatar_url
                .as_ref()
                .map(usher_domain::AvatarUrl::as_str),
            Type::TEXT,
        ),
        (&added, Type::TEXT_ARRAY),
        (&spellings(grantable), Type::TEXT_ARRAY),
        (&rebound.map(|rebound| rebound.from.as_str()), Type::TEXT),
        (&rebound.map(|rebound| rebound.to.as_str()), Type::TEXT),
    ];
    let row = connection
        .change("change user", author, &event, &change, parameters)
        .await?;
    row.as_ref().map(row::user).transpose()
}

/// Removes a user who is still at `before.version`, and tells whether that was so.
///
/// The row stays for the audit log to point at; the address is free again and the sessions end.
pub async fn delete(connection: &Connection, author: Author<'_>, before: &User) -> Result<bool> {
    let change = format!(
        "change as (
          update users
          set
            is_active = false,
            deleted_at = now(),
            version = version + 1,
            updated_at = now()
          where id = $1
            and version = $2
            and deleted_at is null
          returning {USER_COLUMNS}, users.id as entity_id
        )"
    );
    let event = Event::new(Action::Delete, Entity::User).with_diff(before.removed());
    let parameters: &[crate::connection::Parameter<'_>] = &[
        (&before.id.get(), Type::INT8),
        (&before.version, Type::INT8),
    ];
    let row = connection
        .change("delete user", author, &event, &change, parameters)
        .await?;
    Ok(row.is_some())
}

/// Nobody gives away more than they hold: the condition is part of the change, so no later demotion slips between.
pub(crate) fn grant_guard(roles: &str, permissions: &str) -> String {
    format!(
        "not exists (
            select
            from roles
            cross join unnest(roles.permissions) as needed
            where roles.name = any({roles})
              and needed <> all({permissions})
          )"
    )
}

/// Returns permissions as the database spells them.
pub(crate) fn spellings(permissions: &Permissions) -> Vec<&'static str> {
    permissions.iter().map(Permission::as_str).collect()
}
