//! What is held about a user, for the user: read in one round trip, column by column, so that no hash is ever among it.

use std::net::IpAddr;

use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Email, Entity, Event, Proof, Role, RoleName, SessionId, User, UserId};

use crate::{
    Author, Connection, Result,
    connection::Parameter,
    row::{self, PROOF_COLUMNS, USER_COLUMNS},
};

mod means;
mod requests;

pub use means::{KeptApiKey, KeptApp, KeptPasskey, KeptRecoveryCode};
pub use requests::{KeptDeletion, KeptInvitation};

/// How many sessions an export holds, the newest ones.
const MOST_SESSIONS: i64 = 1000;

/// What is held about a user, but for the audit log.
#[derive(Clone, Debug)]
pub struct Export {
    /// When it was read.
    pub exported_at: OffsetDateTime,
    /// The account.
    pub user: User,
    /// When the address was verified.
    pub email_verified_at: Option<OffsetDateTime>,
    /// Whether the user made the account.
    pub is_self_registered: bool,
    /// Whether there is a password.
    pub has_password: bool,
    /// When it was set anew.
    pub password_changed_at: Option<OffsetDateTime>,
    /// Whether the password is one that is enough beside a second factor alone.
    pub has_short_password: bool,
    /// When a second factor was last taken or given up.
    pub factors_changed_at: Option<OffsetDateTime>,
    /// The roles held.
    pub roles: Vec<Role>,
    /// The sessions, also those that ended and are still kept, the newest first.
    pub sessions: Vec<KeptSession>,
    /// A change of address that waits to be confirmed.
    pub email_change: Option<WaitingEmailChange>,
    /// The authenticator app, in force or begun.
    pub app: Option<KeptApp>,
    /// The recovery codes that are kept.
    pub recovery_codes: Vec<KeptRecoveryCode>,
    /// The passkeys.
    pub passkeys: Vec<KeptPasskey>,
    /// The API keys, the newest first.
    pub api_keys: Vec<KeptApiKey>,
    /// The invitations that the user made or got and that are kept, the newest first.
    pub invitations: Vec<KeptInvitation>,
    /// A deletion of the account that was asked for.
    pub deletion: Option<KeptDeletion>,
}

/// A session, alive or not.
#[derive(Clone, Debug)]
pub struct KeptSession {
    /// The session.
    pub id: SessionId,
    /// When the user signed in.
    pub created_at: OffsetDateTime,
    /// By what and when the user last proved who they are.
    pub proof: Proof,
    /// When it was last prolonged.
    pub last_seen_at: OffsetDateTime,
    /// When it ends at the latest.
    pub expires_at: OffsetDateTime,
    /// When it was ended.
    pub ended_at: Option<OffsetDateTime>,
    /// Why, such as `logout`.
    pub end_reason: Option<String>,
    /// Where the user signed in from.
    pub ip: Option<IpAddr>,
    /// With which program.
    pub user_agent: Option<String>,
}

/// A change of address that waits.
#[derive(Clone, Debug)]
pub struct WaitingEmailChange {
    /// The address that is wanted.
    pub email: Email,
    /// When the owner of the present address confirmed it.
    pub old_confirmed_at: Option<OffsetDateTime>,
    /// When the owner of the new address confirmed it.
    pub new_confirmed_at: Option<OffsetDateTime>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// Until when it can be confirmed.
    pub expires_at: OffsetDateTime,
}

/// Reads what is held about a user, or returns `None` when there is no such user.
pub async fn find_export(connection: &Connection, user: UserId) -> Result<Option<Export>> {
    let id = user.get();
    let held = async {
        tokio::try_join!(
            account(connection, id),
            roles(connection, id),
            sessions(connection, id),
            email_change(connection, id),
        )
    };
    let more = async {
        tokio::try_join!(
            means::app(connection, id),
            means::recovery_codes(connection, id),
            means::passkeys(connection, id),
            means::api_keys(connection, id),
            requests::invitations(connection, id),
            requests::deletion(connection, id),
        )
    };
    // One wait for all of it.
    let (held, more) = tokio::try_join!(held, more)?;
    let (account, roles, sessions, email_change) = held;
    let (app, recovery_codes, passkeys, api_keys, invitations, deletion) = more;
    let Some(account) = account else {
        return Ok(None);
    };
    Ok(Some(Export {
        exported_at: row::get(&account, "exported_at")?,
        user: row::user(&account)?,
        email_verified_at: row::get(&account, "email_verified_at")?,
        is_self_registered: row::get(&account, "is_self_registered")?,
        has_password: row::get(&account, "has_password")?,
        password_changed_at: row::get(&account, "password_changed_at")?,
        has_short_password: row::get(&account, "has_short_password")?,
        factors_changed_at: row::get(&account, "factors_changed_at")?,
        roles,
        sessions,
        email_change,
        app,
        recovery_codes,
        passkeys,
        api_keys,
        invitations,
        deletion,
    }))
}

/// Writes down that somebody takes what is held about them.
pub async fn record_export(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
) -> Result<()> {
    let event = Event::new(Action::Read, Entity::User)
        .with_payload(serde_json::json!({ "read": "export" }));
    let change = "change as (select $1::bigint as entity_id)";
    let parameters: &[Parameter<'_>] = &[(&user.get(), Type::INT8)];
    connection
        .change("record export", author, &event, change, parameters)
        .await?;
    Ok(())
}

async fn account(connection: &Connection, id: i64) -> Result<Option<Row>> {
    let statement = format!(
        "select
          {USER_COLUMNS},
          users.email_verified_at,
          users.is_self_registered,
          users.password is not null as has_password,
          users.password_changed_at,
          users.has_short_password,
          users.factors_changed_at,
          now() as exported_at
        from users
        where id = $1
          and deleted_at is null"
    );
    connection
        .row("export account", &statement, &[(&id, Type::INT8)])
        .await
}

async fn roles(connection: &Connection, id: i64) -> Result<Vec<Role>> {
    let statement = "select
          roles.name,
          roles.description,
          roles.permissions,
          roles.is_built_in
        from users
        join roles on roles.name = any (users.roles)
        where users.id = $1
        order by roles.name";
    let rows = connection
        .rows("export roles", statement, &[(&id, Type::INT8)])
        .await?;
    let role = |row: &Row| {
        Ok(Role {
            name: row::parse(row, "name", RoleName::parse)?,
            description: row::get(row, "description")?,
            permissions: row::permissions(row)?,
            is_built_in: row::get(row, "is_built_in")?,
        })
    };
    rows.iter().map(role).collect()
}

async fn sessions(connection: &Connection, id: i64) -> Result<Vec<KeptSession>> {
    let statement = format!(
        "select
          id,
          created_at,
          {PROOF_COLUMNS},
          refreshed_at as last_seen_at,
          expires_at,
          ended_at,
          end_reason,
          ip,
          user_agent
        from sessions
        where user_id = $1
        order by created_at desc, id
        limit $2"
    );
    let parameters: &[Parameter<'_>] = &[(&id, Type::INT8), (&MOST_SESSIONS, Type::INT8)];
    let rows = connection
        .rows("export sessions", &statement, parameters)
        .await?;
    let session = |row: &Row| {
        Ok(KeptSession {
            id: SessionId::new(row::get(row, "id")?),
            created_at: row::get(row, "created_at")?,
            proof: row::proof(row)?,
            last_seen_at: row::get(row, "last_seen_at")?,
            expires_at: row::get(row, "expires_at")?,
            ended_at: row::get(row, "ended_at")?,
            end_reason: row::get(row, "end_reason")?,
            ip: row::get(row, "ip")?,
            user_agent: row::get(row, "user_agent")?,
        })
    };
    rows.iter().map(session).collect()
}

async fn email_change(connection: &Connection, id: i64) -> Result<Option<WaitingEmailChange>> {
    let statement = "select
          new_email,
          old_confirmed_at,
          new_confirmed_at,
          created_at,
          expires_at
        from email_changes
        where user_id = $1
          and ended_at is null
          and expires_at > now()";
    let row = connection
        .row("export email change", statement, &[(&id, Type::INT8)])
        .await?;
    row.map(|row| {
        Ok(WaitingEmailChange {
            email: row::parse(&row, "new_email", Email::parse)?,
            old_confirmed_at: row::get(&row, "old_confirmed_at")?,
            new_confirmed_at: row::get(&row, "new_confirmed_at")?,
            created_at: row::get(&row, "created_at")?,
            expires_at: row::get(&row, "expires_at")?,
        })
    })
    .transpose()
}
