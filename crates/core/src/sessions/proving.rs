//! Proving again, within a session, who one is (RFC 9470).

use time::Duration;
use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, Methods, Proof};

use crate::{
    Author, Connection, Result, connection::Parameter, passwords::PasswordHash, row,
    tokens::Principal,
};

/// A proof that was given again.
pub struct Proving<'a> {
    /// Whose it is.
    pub principal: Principal,
    /// The hash that the password was checked against.
    pub checked: Option<&'a PasswordHash>,
    /// By what it was proved.
    pub methods: &'a Methods,
}

/// What the session is worth from now on.
#[derive(Clone, Debug)]
pub struct Proved {
    /// By what and when the user proved who they are.
    pub proof: Proof,
    /// How long ago that was: no time, or since an earlier attempt at the same request.
    pub age: Duration,
}

/// Notes that the user of a session proved again who they are, or returns `None` when the account or its password was
/// changed meanwhile.
pub async fn prove_again(
    connection: &Connection,
    author: Author<'_>,
    proving: &Proving<'_>,
) -> Result<Option<Proved>> {
    let change = "account as (
          select id
          from users
          where id = $1
            and password is not distinct from $3
            and cardinality(second_factors) = 0
            and is_active
            and deleted_at is null
          for no key update
        ),
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
          returning
            account.id as entity_id,
            sessions.id as session_id,
            sessions.methods,
            sessions.authenticated_at,
            sessions.authenticated_at as issued_at
        )";
    let Principal { user, session } = proving.principal;
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&session.get(), Type::UUID),
        (&proving.checked.map(PasswordHash::as_str), Type::TEXT),
        (&proving.methods.names(), Type::TEXT_ARRAY),
    ];
    let event = Event::new(Action::Reauthenticate, Entity::User);
    let changed = connection
        .change_once("prove again", author, &event, change, parameters)
        .await?;
    changed
        .map(|changed| {
            let age = if changed.is_repeated {
                row::age(&changed.row)?
            } else {
                Duration::ZERO
            };
            Ok(Proved {
                proof: row::proof(&changed.row)?,
                age,
            })
        })
        .transpose()
}
