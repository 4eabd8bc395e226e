//! Proving again, within a session, who one is (RFC 9470).

use time::Duration;
use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, Methods, Proof};

use super::codes::{Used, used};
use crate::{
    Attempt, Author, Connection, Result, audited::Changed, connection::Parameter, idempotency,
    mails::Mail, passwords::PasswordHash, row, tokens::Principal,
};

/// A proof that was given again.
pub struct Proving<'a> {
    /// Whose it is, and in which session.
    pub principal: Principal,
    /// The hash that the password was checked against; none where the account has none.
    pub checked: Option<&'a PasswordHash>,
    /// The code, where the account has a second factor.
    pub used: Option<&'a Used>,
    /// By what it was proved.
    pub methods: &'a Methods,
    /// What the owner is told of the code.
    pub mail: Option<&'a Mail>,
}

/// What the session is worth from now on.
#[derive(Clone, Debug)]
pub struct Proved {
    /// By what and when the user proved who they are.
    pub proof: Proof,
    /// How long ago that was: no time, or since an earlier attempt at the same request.
    pub age: Duration,
}

impl Proved {
    /// Reads what a change noted, now or by an earlier attempt.
    pub(crate) fn read(changed: &Changed) -> Result<Self> {
        let age = if changed.is_repeated {
            row::age(&changed.row)?
        } else {
            Duration::ZERO
        };
        Ok(Self {
            proof: row::proof(&changed.row)?,
            age,
        })
    }
}

/// Notes that the user of a session proved again who they are, or returns `None` when the code was used before, or the account
/// was changed meanwhile: its password, or whether it has a second factor.
pub async fn prove_again(
    connection: &Connection,
    author: Author<'_>,
    proving: &Proving<'_>,
) -> Result<Option<Proved>> {
    let Principal { user, session } = proving.principal;
    let code = proving.used.map(Used::values);
    let (step, resealed, recovery) = code.unwrap_or_default();
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&session.get(), Type::UUID),
        (&proving.checked.map(PasswordHash::as_str), Type::TEXT),
        (&proving.methods.names(), Type::TEXT_ARRAY),
        (&proving.used.is_some(), Type::BOOL),
        (&step, Type::INT8),
        (&resealed, Type::BYTEA),
        (&recovery, Type::BYTEA),
    ];
    let event = Event::new(Action::Reauthenticate, Entity::User);
    let author = proving.mail.map_or(author, |mail| author.mailing(mail));
    let changed = connection
        .change_once(
            "prove again",
            author,
            &event,
            &prove_statement(),
            parameters,
        )
        .await?;
    changed.as_ref().map(Proved::read).transpose()
}

/// Returns what an earlier attempt at the same request proved, or `None` when it proved nothing.
pub(crate) async fn proved_before(
    connection: &Connection,
    attempt: &Attempt,
) -> Result<Option<Proved>> {
    let row = idempotency::find(connection, attempt).await?;
    let changed = row.map(|row| Changed {
        row,
        is_repeated: true,
    });
    changed.as_ref().map(Proved::read).transpose()
}

/// The parameters are those of [`prove_again`], in the order it sends them.
fn prove_statement() -> String {
    format!(
        "account as (
          select id
          from users
          where id = $1
            and password is not distinct from $3
            and (cardinality(second_factors) > 0) = $5
            and is_active
            and deleted_at is null
          for no key update
        ),
        {used},
        change as (
          update sessions
          set
            authenticated_at = now(),
            methods = $4
          from account
          where sessions.id = $2
            and sessions.user_id = account.id
            and sessions.ended_at is null
            and sessions.expires_at > now()
            and (not $5 or exists (select from proven))
          returning
            account.id as entity_id,
            sessions.id as session_id,
            sessions.methods,
            sessions.authenticated_at,
            sessions.authenticated_at as issued_at
        )",
        used = used(6, "account"),
    )
}
