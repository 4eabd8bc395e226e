//! The questions that are put to authenticators.

use serde_json::Value;
use tokio_postgres::types::Type;
use usher_domain::{Ceremony, SessionId, User, UserId};
use uuid::Builder;

use super::Known;
use crate::{
    Connection, Error, RelyingParty, Result, bytes::random, connection::Parameter, one_time::Token,
    relying_party::Question, row, tokens::Principal,
};

/// A question that was put.
pub struct Begun {
    /// Names the ceremony; only who asked has it.
    pub token: Token,
    /// What the browser gives to the authenticator.
    pub options: Value,
}

/// Asks for a passkey that a user is to have.
pub async fn begin_registration(
    connection: &Connection,
    party: &RelyingParty,
    user: &User,
    known: Known,
) -> Result<Begun> {
    let handle = match known.handle {
        Some(handle) => handle,
        None => make_handle(connection, user.id).await?,
    };
    let question = party.ask_for_new(user, handle, known.credentials)?;
    let asker = (Some(user.id), None);
    begin(connection, Ceremony::Register, asker, question).await
}

/// Asks anybody for a passkey.
pub async fn begin_sign_in(connection: &Connection, party: &RelyingParty) -> Result<Begun> {
    let question = party.ask_for_any()?;
    begin(connection, Ceremony::SignIn, (None, None), question).await
}

/// Asks somebody who is signed in for one of the `known` passkeys of theirs. The answer is good in this session alone.
pub async fn begin_step_up(
    connection: &Connection,
    party: &RelyingParty,
    who: Principal,
    known: &Known,
) -> Result<Begun> {
    let question = party.ask_for_one_of(&known.credentials)?;
    let asker = (Some(who.user), Some(who.session));
    begin(connection, Ceremony::StepUp, asker, question).await
}

/// Gives a user a handle; of two at the same time both get the same one.
async fn make_handle(connection: &Connection, user: UserId) -> Result<uuid::Uuid> {
    let handle = Builder::from_random_bytes(random()?).into_uuid();
    let statement = "insert into passkey_handles (user_id, handle)
        values ($1, $2)
        on conflict (user_id) do update
        set handle = passkey_handles.handle
        returning handle";
    let parameters: &[Parameter<'_>] = &[(&user.get(), Type::INT8), (&handle, Type::UUID)];
    let rows = connection
        .settle("make handle", statement, parameters)
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| Error::corrupt("handle", "there is no row"))?;
    row::get(row, "handle")
}

async fn begin(
    connection: &Connection,
    ceremony: Ceremony,
    (user, session): (Option<UserId>, Option<SessionId>),
    question: Question,
) -> Result<Begun> {
    let token = Token::random()?;
    let statement = "insert into passkey_ceremonies (
          token_hash,
          purpose,
          user_id,
          state,
          expires_at,
          session_id
        )
        values ($1, $2, $3, $4, now() + make_interval(mins => $5), $6)";
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[
        (&hash.as_slice(), Type::BYTEA),
        (&ceremony.as_str(), Type::TEXT),
        (&user.map(UserId::get), Type::INT8),
        (&question.state, Type::JSONB),
        (&Ceremony::MINUTES, Type::INT4),
        (&session.map(SessionId::get), Type::UUID),
    ];
    connection
        .settle("begin ceremony", statement, parameters)
        .await?;
    Ok(Begun {
        token,
        options: question.options,
    })
}

/// Writes what uses a ceremony up and moves the counter of the passkey on, both or neither, as two common table expressions that
/// lean on `account`. The six parameters from `first` on are the hash of the token, the purpose, the passkey, what is kept of it, its
/// counter, and whether it is synced. `only` is what else has to hold of the ceremony, beginning with `and`.
pub(super) fn use_up(first: usize, only: &str) -> String {
    let [hash, purpose, passkey, credential, count, synced] =
        std::array::from_fn(|index| first + index);
    format!(
        "ceremony as (
          update passkey_ceremonies
          set used_at = now()
          from account
          where passkey_ceremonies.token_hash = ${hash}
            and passkey_ceremonies.purpose = ${purpose}
            {only}
            and passkey_ceremonies.used_at is null
            and passkey_ceremonies.expires_at > now()
          returning passkey_ceremonies.purpose
        ),
        passkey as (
          update passkeys
          set
            credential = ${credential},
            sign_count = ${count},
            is_synced = ${synced},
            last_used_at = now()
          from account
          cross join ceremony
          where passkeys.id = ${passkey}
            and passkeys.user_id = account.id
            and (passkeys.sign_count < ${count} or (passkeys.sign_count = 0 and ${count} = 0))
          returning passkeys.id as passkey_id
        ),"
    )
}
