//! A passkey that is added to an account.

use serde_json::{Value, json};
use tokio_postgres::types::Type;
use usher_domain::{Action, Ceremony, Entity, Event, PasskeyId, PasskeyName, UserId};
use uuid::Builder;

use super::{COLUMNS, Passkey, read};
use crate::{
    Author, Connection, RelyingParty, Result, bytes::random, connection::Parameter, mails::Mail,
    one_time::Token, relying_party::Credential, row,
};

/// A passkey to be.
pub struct NewPasskey<'a> {
    /// Whose it is.
    pub user: UserId,
    /// The token of the ceremony; what is none is refused like a wrong one.
    pub token: Option<&'a Token>,
    /// What the authenticator answered, as `PublicKeyCredential.toJSON` has it.
    pub answer: &'a Value,
    /// What its owner calls it.
    pub name: &'a PasskeyName,
}

/// What became of it.
pub enum Registered {
    /// It was added, now or by an earlier attempt at the same request.
    Added(Passkey),
    /// It is refused, and that is written down.
    Refused,
}

/// Adds a passkey to an account when the answer is right, with a mail to its owner.
pub async fn register(
    connection: &Connection,
    party: &RelyingParty,
    author: Author<'_>,
    new: NewPasskey<'_>,
    mail: &Mail,
) -> Result<Registered> {
    let state = find_state(connection, new.user, new.token).await?;
    let checked = state.and_then(|state| party.check_new(state, new.answer).ok());
    if let Some(credential) = checked
        && let Some(passkey) = insert(connection, author.mailing(mail), &new, &credential).await?
    {
        return Ok(Registered::Added(passkey));
    }
    record_refusal(connection, author.once(None), &new).await?;
    Ok(Registered::Refused)
}

/// Returns the state of a ceremony of a user. Whether it is still good the change itself decides.
async fn find_state(
    connection: &Connection,
    user: UserId,
    token: Option<&Token>,
) -> Result<Option<Value>> {
    let statement = "select state
        from passkey_ceremonies
        where token_hash = $1
          and purpose = $2
          and user_id = $3";
    let hash = token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let parameters: &[Parameter<'_>] = &[
        (&hash, Type::BYTEA),
        (&Ceremony::Register.as_str(), Type::TEXT),
        (&user.get(), Type::INT8),
    ];
    let row = connection
        .row("find ceremony", statement, parameters)
        .await?;
    row.map(|row| row::get(&row, "state")).transpose()
}

async fn insert(
    connection: &Connection,
    author: Author<'_>,
    new: &NewPasskey<'_>,
    credential: &Credential,
) -> Result<Option<Passkey>> {
    let id = PasskeyId::new(Builder::from_random_bytes(random()?).into_uuid());
    let change = format!(
        "ceremony as (
          update passkey_ceremonies
          set used_at = now()
          where token_hash = $1
            and purpose = $2
            and user_id = $3
            and used_at is null
            and expires_at > now()
          returning user_id
        ),
        change as (
          insert into passkeys (
            id,
            user_id,
            credential_id,
            credential,
            name,
            sign_count,
            is_syncable,
            is_synced
          )
          select $4, ceremony.user_id, $5, $6, $7, $8, $9, $10
          from ceremony
          returning {COLUMNS}, passkeys.user_id as entity_id
        )"
    );
    let hash = new.token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let parameters: &[Parameter<'_>] = &[
        (&hash, Type::BYTEA),
        (&Ceremony::Register.as_str(), Type::TEXT),
        (&new.user.get(), Type::INT8),
        (&id.get(), Type::UUID),
        (&credential.id.as_slice(), Type::BYTEA),
        (&credential.kept, Type::JSONB),
        (&new.name.as_str(), Type::TEXT),
        (&credential.sign_count, Type::INT8),
        (&credential.is_syncable, Type::BOOL),
        (&credential.is_synced, Type::BOOL),
    ];
    let event = Event::new(Action::PasskeyAdd, Entity::User)
        .with_payload(json!({ "passkeyId": id, "name": new.name }));
    let row = connection
        .change("add passkey", author, &event, &change, parameters)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Writes down that an answer was refused; the question is not put again.
async fn record_refusal(
    connection: &Connection,
    author: Author<'_>,
    new: &NewPasskey<'_>,
) -> Result<()> {
    let change = "used as (
          update passkey_ceremonies
          set used_at = now()
          where token_hash = $1
            and purpose = $2
            and user_id = $3
            and used_at is null
        ),
        change as (select $3::bigint as entity_id)";
    let hash = new.token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let parameters: &[Parameter<'_>] = &[
        (&hash, Type::BYTEA),
        (&Ceremony::Register.as_str(), Type::TEXT),
        (&new.user.get(), Type::INT8),
    ];
    let event = Event::new(Action::PasskeyRefused, Entity::User);
    connection
        .change("record refused passkey", author, &event, change, parameters)
        .await?;
    Ok(())
}
