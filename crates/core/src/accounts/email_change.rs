//! Another address for one's own account: asked for with the password, made when the owners of both addresses confirmed it.
//!
//! Everything that touches a change holds the row of its user first, then that of the change. So of two who confirm, cancel or
//! set another password at once, one comes first, and nobody waits in a circle.

use tokio_postgres::types::Type;
use usher_domain::{Action, Email, Entity, Event, SessionId, UserId};

use super::kept_session_of;
use crate::{
    Author, Connection, Result, connection::Parameter, mails::Mail, one_time::Token,
    passwords::PasswordHash, row,
};

/// For how many hours the links are good.
const LINK_HOURS: i32 = 24;

/// Tells in a statement whether a change can still be made for the user that it is joined with.
const IS_PENDING: &str = "email_changes.ended_at is null
            and email_changes.expires_at > now()
            and users.email = email_changes.old_email
            and users.is_active
            and users.deleted_at is null";

/// A change of address to be.
pub struct NewEmailChange<'a> {
    /// Whose address it is.
    pub user: UserId,
    /// The session that asks, which goes on when the change is made; all others end.
    pub session: SessionId,
    /// The hash that the password was checked against.
    pub checked: &'a PasswordHash,
    /// The new address.
    pub email: &'a Email,
    /// The token for the owner of the old address to confirm with.
    pub old: &'a Token,
    /// The token for the owner of the new address to confirm with.
    pub new: &'a Token,
    /// The token for the owner of the old address to cancel with.
    pub cancel: &'a Token,
}

/// The parameters are those of [`request_email_change`], in the order it sends them.
const REQUEST: &str = "account as (
          select
            id,
            email
          from users
          where id = $1
            and password = $3
            and email <> $2
            and is_active
            and deleted_at is null
          for no key update
        ),
        change as (
          insert into email_changes (
            user_id,
            old_email,
            new_email,
            session_id,
            old_hash,
            new_hash,
            cancel_hash,
            expires_at
          )
          select
            account.id,
            account.email,
            $2,
            $4,
            $5,
            $6,
            $7,
            now() + make_interval(hours => $8)
          from account
          on conflict (user_id) do update
          set
            old_email = excluded.old_email,
            new_email = excluded.new_email,
            session_id = excluded.session_id,
            old_hash = excluded.old_hash,
            new_hash = excluded.new_hash,
            cancel_hash = excluded.cancel_hash,
            old_confirmed_at = null,
            new_confirmed_at = null,
            created_at = now(),
            expires_at = excluded.expires_at,
            ended_at = null
          returning
            email_changes.user_id as entity_id,
            not exists (select from users where email = $2 and deleted_at is null) as is_usual
        )";

/// Keeps a change to be confirmed, in place of an older one, or returns `false` when the password was changed meanwhile.
///
/// An address that somebody has leaves the same rows; only the mail to it, the first one, is the other of the two.
pub async fn request_email_change(
    connection: &Connection,
    author: Author<'_>,
    change: &NewEmailChange<'_>,
    mail: &Mail,
) -> Result<bool> {
    let [old, new, cancel] = [change.old, change.new, change.cancel].map(Token::hash);
    let parameters: &[Parameter<'_>] = &[
        (&change.user.get(), Type::INT8),
        (&change.email.as_str(), Type::TEXT),
        (&change.checked.as_str(), Type::TEXT),
        (&change.session.get(), Type::UUID),
        (&old.as_slice(), Type::BYTEA),
        (&new.as_slice(), Type::BYTEA),
        (&cancel.as_slice(), Type::BYTEA),
        (&LINK_HOURS, Type::INT4),
    ];
    let event = Event::new(Action::EmailChangeRequest, Entity::User);
    let author = author.mailing(mail);
    let row = connection
        .change("request email change", author, &event, REQUEST, parameters)
        .await?;
    Ok(row.is_some())
}

/// Which of the two addresses a link was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The present one.
    Old,
    /// The one that is wanted.
    New,
}

impl Side {
    /// Returns it as columns and the audit log spell it, with the other one.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Old => ["old", "new"],
            Self::New => ["new", "old"],
        }
    }
}

/// A change of address that waits, as the link to one of the addresses finds it.
#[derive(Clone, Debug)]
pub struct EmailChange {
    /// Where the link was sent to.
    pub side: Side,
    /// Whether the other side has confirmed, so that this one makes the change.
    pub is_last: bool,
    /// The present address.
    pub old: Email,
    /// The address that is wanted.
    pub new: Email,
}

/// Returns the change that a link is to confirm, without using it: whom to tell has to be known before.
pub async fn find_email_change(
    connection: &Connection,
    token: &Token,
) -> Result<Option<EmailChange>> {
    let statement = format!(
        "select
          email_changes.old_email,
          email_changes.new_email,
          email_changes.old_hash = $1 as is_old,
          coalesce(email_changes.old_confirmed_at, email_changes.new_confirmed_at) is not null as is_last
        from email_changes
        join users on users.id = email_changes.user_id
        where (
            (email_changes.old_hash = $1 and email_changes.old_confirmed_at is null)
            or (email_changes.new_hash = $1 and email_changes.new_confirmed_at is null)
          )
          and {IS_PENDING}"
    );
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[(&hash.as_slice(), Type::BYTEA)];
    let row = connection
        .row("find email change", &statement, parameters)
        .await?;
    row.map(|row| {
        let is_old: bool = row::get(&row, "is_old")?;
        Ok(EmailChange {
            side: if is_old { Side::Old } else { Side::New },
            is_last: row::get(&row, "is_last")?,
            old: row::parse(&row, "old_email", Email::parse)?,
            new: row::parse(&row, "new_email", Email::parse)?,
        })
    })
    .transpose()
}

/// Confirms one side of a change that was found, or returns `false` when the link is not good any more, or the other side
/// was confirmed or not meanwhile. The last one makes the change; only that sends the mails.
///
/// Fails with [`Constraint::EmailTaken`](crate::Constraint::EmailTaken) when somebody took the address meanwhile.
pub async fn confirm_email_change(
    connection: &Connection,
    author: Author<'_>,
    token: &Token,
    found: &EmailChange,
    mail: Option<&Mail>,
) -> Result<bool> {
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[(&hash.as_slice(), Type::BYTEA)];
    let [side, _] = found.side.names();
    let row = if found.is_last {
        let event = Event::new(Action::EmailChange, Entity::User).with_payload(serde_json::json!({
            "side": side,
            "before": { "email": found.old },
            "after": { "email": found.new },
        }));
        let author = mail.map_or(author, |mail| author.mailing(mail));
        let statement = last_confirmation(found.side);
        connection
            .change("change email", author, &event, &statement, parameters)
            .await?
    } else {
        let event = Event::new(Action::EmailChangeConfirm, Entity::User)
            .with_payload(serde_json::json!({ "side": side }));
        let statement = first_confirmation(found.side);
        connection
            .change(
                "confirm email change",
                author,
                &event,
                &statement,
                parameters,
            )
            .await?
    };
    Ok(row.is_some())
}

/// Writes what locks the row of the user whom the link `$1` to a side is of.
fn account(side: &str) -> String {
    format!(
        "account as (
          select users.id
          from email_changes
          join users on users.id = email_changes.user_id
          where email_changes.{side}_hash = $1
            and {IS_PENDING}
          for no key update of users
        )"
    )
}

fn first_confirmation(side: Side) -> String {
    let [side, other] = side.names();
    format!(
        "{account},
        change as (
          update email_changes
          set {side}_confirmed_at = now()
          from account
          where email_changes.user_id = account.id
            and email_changes.{side}_hash = $1
            and email_changes.{side}_confirmed_at is null
            and email_changes.{other}_confirmed_at is null
            and email_changes.ended_at is null
            and email_changes.expires_at > now()
          returning email_changes.user_id as entity_id
        )",
        account = account(side),
    )
}

fn last_confirmation(side: Side) -> String {
    let [side, other] = side.names();
    format!(
        "{account},
        confirmed as (
          update email_changes
          set
            {side}_confirmed_at = now(),
            ended_at = now()
          from account
          where email_changes.user_id = account.id
            and email_changes.{side}_hash = $1
            and email_changes.{side}_confirmed_at is null
            and email_changes.{other}_confirmed_at is not null
            and email_changes.ended_at is null
            and email_changes.expires_at > now()
          returning
            email_changes.user_id,
            email_changes.new_email,
            email_changes.session_id
        ),
        change as (
          update users
          set
            email = confirmed.new_email,
            email_verified_at = now(),
            version = users.version + 1,
            updated_at = now()
          from confirmed
          where users.id = confirmed.user_id
          returning
            users.id as entity_id,
            {kept_session}
        )",
        account = account(side),
        kept_session = kept_session_of("confirmed.session_id::text"),
    )
}

/// Ends a change that was not made yet, or returns `false` when the link is not good.
pub async fn cancel_email_change(
    connection: &Connection,
    author: Author<'_>,
    token: &Token,
) -> Result<bool> {
    let statement = "change as (
          update email_changes
          set ended_at = now()
          where cancel_hash = $1
            and ended_at is null
            and expires_at > now()
          returning user_id as entity_id
        )";
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[(&hash.as_slice(), Type::BYTEA)];
    let event = Event::new(Action::EmailChangeCancel, Entity::User);
    let row = connection
        .change("cancel email change", author, &event, statement, parameters)
        .await?;
    Ok(row.is_some())
}

/// Why a change of address was not confirmed or cancelled, as the audit log keeps it.
#[derive(Clone, Copy, Debug)]
pub enum ConfirmError {
    /// The link to confirm is not good.
    Unconfirmed,
    /// The link to cancel is not good.
    Uncancelled,
    /// Somebody took the address meanwhile.
    Taken,
}

/// Writes down that a link was shown which is not good, or came too late.
pub async fn record_refused_email_change(
    connection: &Connection,
    author: Author<'_>,
    error: ConfirmError,
) -> Result<()> {
    let payload = match error {
        ConfirmError::Unconfirmed => serde_json::json!({ "purpose": "change-email" }),
        ConfirmError::Uncancelled => serde_json::json!({ "purpose": "cancel-email-change" }),
        ConfirmError::Taken => {
            serde_json::json!({ "purpose": "change-email", "reason": "email-taken" })
        }
    };
    let event = Event::new(Action::SecretRefused, Entity::User).with_payload(payload);
    let change = "change as (select null::bigint as entity_id)";
    connection
        .change("record refused email change", author, &event, change, &[])
        .await?;
    Ok(())
}
