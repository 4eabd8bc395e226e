//! The one time that an invitation is good for.

use tokio_postgres::types::Type;
use usher_domain::{
    Action, Email, Entity, Event, InvitationId, Name, NewInvitation, Permission, RoleSet,
};

use super::roles;
use crate::{
    Author, Connection, Error, Result, connection::Parameter, one_time::Token,
    passwords::PasswordHash, row, users::IS_UNCLAIMED,
};

/// An invitation that its token finds.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The id.
    pub id: InvitationId,
    /// The address that the account will have.
    pub email: Email,
    /// What the person is called, if the inviter knew.
    pub name: Option<Name>,
    /// The roles that the account begins with.
    pub roles: RoleSet,
}

/// Returns the invitation of a token, without using it: what a password may not be needs the address.
pub async fn find_open(connection: &Connection, token: &Token) -> Result<Option<Accepted>> {
    let statement = "select
          id,
          email,
          name,
          roles
        from invitations
        where token_hash = $1
          and accepted_at is null
          and revoked_at is null
          and expires_at > now()";
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[(&hash.as_slice(), Type::BYTEA)];
    let row = connection
        .row("find open invitation", statement, parameters)
        .await?;
    row.map(|row| {
        let name: Option<&str> = row::get(&row, "name")?;
        Ok(Accepted {
            id: InvitationId::new(row::get(&row, "id")?),
            email: row::parse(&row, "email", Email::parse)?,
            name: name
                .map(Name::parse)
                .transpose()
                .map_err(|error| Error::corrupt("name", error))?,
            roles: roles(&row)?,
        })
    })
    .transpose()
}

/// Makes the account of an invitation, with the address verified, or returns `false` when the invitation is not good any more.
///
/// It is good while its inviter may still give what it gives: the row of the inviter is held, so that nobody demotes them in
/// between. An account that somebody registered with the address and never verified becomes this one.
///
/// Fails with [`Constraint::EmailTaken`](crate::Constraint::EmailTaken) when somebody has the address by now.
pub async fn accept(
    connection: &Connection,
    author: Author<'_>,
    (token, found): (&Token, &Accepted),
    name: &Name,
    password: &PasswordHash,
) -> Result<bool> {
    let new = NewInvitation {
        email: found.email.clone(),
        name: Some(name.clone()),
        roles: found.roles.clone(),
    };
    let event = Event::new(Action::InvitationAccept, Entity::User).with_diff(new.created());
    let hash = token.hash();
    let usual = RoleSet::default();
    let parameters: &[Parameter<'_>] = &[
        (&hash.as_slice(), Type::BYTEA),
        (&name.as_str(), Type::TEXT),
        (&password.as_str(), Type::TEXT),
        (&Permission::InvitationsCreate.as_str(), Type::TEXT),
        (&Permission::RolesGrant.as_str(), Type::TEXT),
        (&usual.names(), Type::TEXT_ARRAY),
    ];
    let row = connection
        .change(
            "accept invitation",
            author,
            &event,
            &statement(),
            parameters,
        )
        .await?;
    Ok(row.is_some())
}

/// Marks the invitation of the token `$1` as accepted if its inviter may still give what it gives. `$4` and `$5` are the permissions
/// to invite and to give roles, `$6` the roles that everybody has.
const REDEEMED: &str = "inviter as (
          select
            users.id,
            array(
              select permission
              from roles
              cross join unnest(roles.permissions) as permission
              where roles.name = any (users.roles)
            ) as permissions
          from invitations
          join users on users.id = invitations.invited_by
          where invitations.token_hash = $1
            and users.is_active
            and users.deleted_at is null
          for share of users
        ),
        invitation as (
          update invitations
          set accepted_at = now()
          from inviter
          where invitations.token_hash = $1
            and invitations.invited_by = inviter.id
            and invitations.accepted_at is null
            and invitations.revoked_at is null
            and invitations.expires_at > now()
            and $4 = any (inviter.permissions)
            and ($5 = any (inviter.permissions) or invitations.roles = $6)
            and not exists (
              select
              from roles
              cross join unnest(roles.permissions) as needed
              where roles.name = any (invitations.roles)
                and needed <> all (inviter.permissions)
            )
          returning
            invitations.email,
            invitations.roles
        )";

/// The parameters are those of [`accept`], in the order it sends them.
fn statement() -> String {
    format!(
        "{REDEEMED},
        taken_over as (
          update users
          set
            name = $2,
            password = $3,
            password_changed_at = now(),
            roles = invitation.roles,
            email_verified_at = now(),
            version = users.version + 1,
            updated_at = now()
          from invitation
          where users.email = invitation.email
            and users.deleted_at is null
            and users.is_active
            and {IS_UNCLAIMED}
          returning users.id
        ),
        made as (
          insert into users (
            name,
            email,
            password,
            roles,
            email_verified_at
          )
          select $2, invitation.email, $3, invitation.roles, now()
          from invitation
          where not exists (select from taken_over)
          returning users.id
        ),
        change as (
          select id as entity_id from taken_over
          union all
          select id as entity_id from made
        )"
    )
}

/// Writes down that the token of an invitation was shown which is not good, or that somebody had the address.
pub async fn record_refused_invitation(
    connection: &Connection,
    author: Author<'_>,
    is_taken: bool,
) -> Result<()> {
    let payload = if is_taken {
        serde_json::json!({ "purpose": "invitation", "reason": "email-taken" })
    } else {
        serde_json::json!({ "purpose": "invitation" })
    };
    let event = Event::new(Action::SecretRefused, Entity::User).with_payload(payload);
    let change = "change as (select null::bigint as entity_id)";
    connection
        .change("record refused invitation", author, &event, change, &[])
        .await?;
    Ok(())
}
