//! Invitations: made, listed, sent again and taken back by administrators, and accepted by whoever got the mail.
//!
//! An invitation gives what its inviter could give, when it is made and still when it is accepted: what somebody invited who is
//! an administrator no more is void.

use tokio_postgres::{Row, types::Type};
use usher_domain::{
    Action, Email, Entity, Event, Invitation, InvitationId, InvitationState, Limit, Name,
    NewInvitation, Page, Permissions, Position, RoleName, RoleSet, UserId,
};

use crate::{
    Author, Connection, Error, Result,
    connection::Parameter,
    mails::Mail,
    one_time::Token,
    row,
    users::{IS_UNCLAIMED, grant_guard, spellings},
};

mod accept;

pub use accept::{Accepted, accept, find_open, record_refused_invitation};

/// Names the order of the list in its positions: the newest first.
pub const ORDER: &str = "invitations -createdAt";
/// For how many days an invitation can be accepted.
const DAYS: i32 = 7;

/// The columns that [`read`] reads.
const COLUMNS: &str = "
          invitations.id,
          invitations.email,
          invitations.name,
          invitations.roles,
          invitations.invited_by,
          invitations.created_at,
          invitations.expires_at,
          case
            when invitations.accepted_at is not null then 'accepted'
            when invitations.revoked_at is not null then 'revoked'
            when invitations.expires_at <= now() then 'expired'
            else 'pending'
          end as state";

/// Why an invitation was not made or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A user has the address.
    EmailTaken,
    /// The address has an invitation that can be accepted.
    Exists,
    /// The roles allow what the author does not hold.
    RoleEscalation,
}

/// Invites somebody, or returns why not. An invitation to the same address that has expired is renewed.
pub async fn insert(
    connection: &Connection,
    author: Author<'_>,
    inviter: UserId,
    new: &NewInvitation,
    (token, grantable): (&Token, &Permissions),
    mail: &Mail,
) -> Result<std::result::Result<Invitation, Refusal>> {
    let change = format!(
        "change as (
          insert into invitations (
            email,
            name,
            roles,
            invited_by,
            token_hash,
            expires_at
          )
          select $1, $2, $3, $4, $5, now() + make_interval(days => $6)
          where {guard}
            and not exists ({taken})
          on conflict (email) where accepted_at is null and revoked_at is null do update
          set
            name = excluded.name,
            roles = excluded.roles,
            invited_by = excluded.invited_by,
            token_hash = excluded.token_hash,
            created_at = now(),
            expires_at = excluded.expires_at
          where invitations.expires_at <= now()
          returning {COLUMNS}, invitations.id as entity_id
        )",
        guard = grant_guard("$3", "$7"),
        taken = taken("$1"),
    );
    let hash = token.hash();
    let grantable = spellings(grantable);
    let parameters: &[Parameter<'_>] = &[
        (&new.email.as_str(), Type::TEXT),
        (&new.name.as_ref().map(Name::as_str), Type::TEXT),
        (&new.roles.names(), Type::TEXT_ARRAY),
        (&inviter.get(), Type::INT8),
        (&hash.as_slice(), Type::BYTEA),
        (&DAYS, Type::INT4),
        (&grantable, Type::TEXT_ARRAY),
    ];
    let event = Event::new(Action::Create, Entity::Invitation).with_diff(new.created());
    let author = author.mailing(mail);
    let row = connection
        .change("insert invitation", author, &event, &change, parameters)
        .await?;
    match row {
        Some(row) => read(&row).map(Ok),
        None => refusal(connection, new, &grantable).await.map(Err),
    }
}

/// Returns why an invitation was not made.
async fn refusal(
    connection: &Connection,
    new: &NewInvitation,
    grantable: &[&'static str],
) -> Result<Refusal> {
    let statement = format!(
        "select
          {guard} as is_grantable,
          exists ({taken}) as is_taken",
        guard = grant_guard("$2", "$3"),
        taken = taken("$1"),
    );
    let parameters: &[Parameter<'_>] = &[
        (&new.email.as_str(), Type::TEXT),
        (&new.roles.names(), Type::TEXT_ARRAY),
        (&grantable, Type::TEXT_ARRAY),
    ];
    let row = connection
        .row("find refusal of invitation", &statement, parameters)
        .await?;
    let row = row.ok_or_else(|| Error::corrupt("is_taken", "there is no row"))?;
    let (is_grantable, is_taken) = (row::get(&row, "is_grantable")?, row::get(&row, "is_taken")?);
    Ok(match (is_grantable, is_taken) {
        (false, _) => Refusal::RoleEscalation,
        (true, true) => Refusal::EmailTaken,
        (true, false) => Refusal::Exists,
    })
}

/// Writes what finds a user with an address. Somebody who registered and never verified it does not have it.
fn taken(email: &str) -> String {
    format!(
        "select
            from users
            where users.email = {email}
              and users.deleted_at is null
              and not {IS_UNCLAIMED}"
    )
}

/// An invitation with what its roles allow.
#[derive(Clone, Debug)]
pub struct Found {
    /// The invitation.
    pub invitation: Invitation,
    /// What its roles allow.
    pub permissions: Permissions,
}

/// Returns an invitation that was neither accepted nor revoked.
pub async fn find(connection: &Connection, id: InvitationId) -> Result<Option<Found>> {
    let statement = format!(
        "select
          {COLUMNS},
          array(
            select distinct permission
            from roles
            cross join unnest(roles.permissions) as permission
            where roles.name = any (invitations.roles)
          ) as permissions
        from invitations
        where id = $1
          and accepted_at is null
          and revoked_at is null"
    );
    let row = connection
        .row("find invitation", &statement, &[(&id.get(), Type::INT8)])
        .await?;
    row.map(|row| {
        Ok(Found {
            invitation: read(&row)?,
            permissions: row::permissions(&row)?,
        })
    })
    .transpose()
}

/// Gives an invitation another token and its time anew, or returns `None` when it is over or its roles allow what `grantable`
/// does not hold. Who invited stays.
pub async fn resend(
    connection: &Connection,
    author: Author<'_>,
    id: InvitationId,
    (token, grantable): (&Token, &Permissions),
    mail: &Mail,
) -> Result<Option<Invitation>> {
    let change = format!(
        "change as (
          update invitations
          set
            token_hash = $2,
            expires_at = now() + make_interval(days => $3)
          where id = $1
            and accepted_at is null
            and revoked_at is null
            and {guard}
          returning {COLUMNS}, invitations.id as entity_id
        )",
        guard = grant_guard("invitations.roles", "$4"),
    );
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[
        (&id.get(), Type::INT8),
        (&hash.as_slice(), Type::BYTEA),
        (&DAYS, Type::INT4),
        (&spellings(grantable), Type::TEXT_ARRAY),
    ];
    let event = Event::new(Action::InvitationResend, Entity::Invitation);
    let author = author.mailing(mail);
    let row = connection
        .change("resend invitation", author, &event, &change, parameters)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Takes an invitation back, or returns `false` when it is over or its roles allow what `grantable` does not hold.
pub async fn revoke(
    connection: &Connection,
    author: Author<'_>,
    id: InvitationId,
    grantable: &Permissions,
) -> Result<bool> {
    let change = format!(
        "change as (
          update invitations
          set revoked_at = now()
          where id = $1
            and accepted_at is null
            and revoked_at is null
            and {guard}
          returning invitations.id as entity_id
        )",
        guard = grant_guard("invitations.roles", "$2"),
    );
    let parameters: &[Parameter<'_>] = &[
        (&id.get(), Type::INT8),
        (&spellings(grantable), Type::TEXT_ARRAY),
    ];
    let event = Event::new(Action::Delete, Entity::Invitation);
    let row = connection
        .change("revoke invitation", author, &event, &change, parameters)
        .await?;
    Ok(row.is_some())
}

/// Returns a page of invitations, the newest first.
pub async fn list(
    connection: &Connection,
    limit: Limit,
    after: Option<&Position>,
) -> Result<Page<Invitation>> {
    let after = after
        .map(|after| {
            let time = row::time_of(&after.key)
                .ok_or_else(|| Error::corrupt("created_at", "the key of the position is no time"));
            Ok::<_, Error>((time?, after.id))
        })
        .transpose()?;
    let (condition, mut parameters): (_, Vec<Parameter<'_>>) = match &after {
        Some(_) => ("(created_at, id) < ($1, $2)", Vec::new()),
        None => ("true", Vec::new()),
    };
    if let Some((time, id)) = &after {
        parameters.extend([(time as _, Type::TIMESTAMPTZ), (id as _, Type::INT8)]);
    }
    let statement = format!(
        "select {COLUMNS}
        from invitations
        where {condition}
        order by created_at desc, id desc
        limit {count}",
        count = limit.and_one(),
    );
    let rows = connection
        .rows("list invitations", &statement, &parameters)
        .await?;
    let invitations = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(invitations, limit, |last| Position {
        order: ORDER.to_owned(),
        key: row::time_key(last.created_at),
        id: last.id.get(),
        is_early: false,
    }))
}

fn read(row: &Row) -> Result<Invitation> {
    let name: Option<&str> = row::get(row, "name")?;
    let state: &str = row::get(row, "state")?;
    Ok(Invitation {
        id: InvitationId::new(row::get(row, "id")?),
        email: row::parse(row, "email", Email::parse)?,
        name: name
            .map(Name::parse)
            .transpose()
            .map_err(|error| Error::corrupt("name", error))?,
        roles: roles(row)?,
        state: InvitationState::parse(state)
            .ok_or_else(|| Error::corrupt("state", "it is no state of an invitation"))?,
        invited_by: UserId::new(row::get(row, "invited_by")?),
        created_at: row::get(row, "created_at")?,
        expires_at: row::get(row, "expires_at")?,
    })
}

fn roles(row: &Row) -> Result<RoleSet> {
    let names: Vec<&str> = row::get(row, "roles")?;
    let names = names
        .into_iter()
        .map(RoleName::parse)
        .collect::<std::result::Result<_, _>>();
    names
        .and_then(RoleSet::new)
        .map_err(|error| Error::corrupt("roles", error))
}
