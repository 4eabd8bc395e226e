//! What somebody asked for that is still held: invitations, and the deletion of the account.

use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};
use usher_domain::Email;

use crate::{Connection, Result, connection::Parameter, row};

/// How many invitations an export holds, the newest ones.
const MOST_INVITATIONS: i64 = 1000;

/// An invitation that the user made, or that was made for the address of the user.
#[derive(Clone, Debug)]
pub struct KeptInvitation {
    /// Whom it is for.
    pub email: Email,
    /// What the person is called, if the inviter knew.
    pub name: Option<String>,
    /// The roles that it gives.
    pub roles: Vec<String>,
    /// Whether the user made it; otherwise somebody else invited the user.
    pub is_own: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it can be accepted.
    pub expires_at: OffsetDateTime,
    /// When it was accepted.
    pub accepted_at: Option<OffsetDateTime>,
    /// When it was taken back.
    pub revoked_at: Option<OffsetDateTime>,
}

/// A deletion of the account that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct KeptDeletion {
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When the account was to be removed.
    pub due_at: OffsetDateTime,
    /// When it was undone, or void.
    pub ended_at: Option<OffsetDateTime>,
}

/// Returns the invitations that a user made, and those for the present address, the newest first. Who else invited is not told.
pub(super) async fn invitations(connection: &Connection, id: i64) -> Result<Vec<KeptInvitation>> {
    let statement = "select
          invitations.email,
          invitations.name,
          invitations.roles,
          invitations.invited_by = $1 as is_own,
          invitations.created_at,
          invitations.expires_at,
          invitations.accepted_at,
          invitations.revoked_at
        from invitations
        where invitations.id in (
          select made.id
          from invitations as made
          where made.invited_by = $1
          union all
          select got.id
          from users
          join invitations as got on got.email = users.email
          where users.id = $1
        )
        order by invitations.created_at desc, invitations.id desc
        limit $2";
    let parameters: &[Parameter<'_>] = &[(&id, Type::INT8), (&MOST_INVITATIONS, Type::INT8)];
    let rows = connection
        .rows("export invitations", statement, parameters)
        .await?;
    let invitation = |row: &Row| {
        Ok(KeptInvitation {
            email: row::parse(row, "email", Email::parse)?,
            name: row::get(row, "name")?,
            roles: row::get(row, "roles")?,
            is_own: row::get(row, "is_own")?,
            created_at: row::get(row, "created_at")?,
            expires_at: row::get(row, "expires_at")?,
            accepted_at: row::get(row, "accepted_at")?,
            revoked_at: row::get(row, "revoked_at")?,
        })
    };
    rows.iter().map(invitation).collect()
}

/// Returns the deletion that is kept, over or not.
pub(super) async fn deletion(connection: &Connection, id: i64) -> Result<Option<KeptDeletion>> {
    let statement = "select
          created_at,
          due_at,
          ended_at
        from account_deletions
        where user_id = $1";
    let row = connection
        .row("export deletion", statement, &[(&id, Type::INT8)])
        .await?;
    row.map(|row| {
        Ok(KeptDeletion {
            created_at: row::get(&row, "created_at")?,
            due_at: row::get(&row, "due_at")?,
            ended_at: row::get(&row, "ended_at")?,
        })
    })
    .transpose()
}
