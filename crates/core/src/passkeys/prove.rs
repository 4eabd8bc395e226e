//! Proving again with a passkey, within a session, who one is.

use serde_json::{Value, json};
use tokio_postgres::types::Type;
use usher_domain::{Action, Ceremony, Entity, Event, Method};
use uuid::Uuid;

use super::ceremony::use_up;
use crate::{
    Attempt, Author, Connection, RelyingParty, Result,
    connection::Parameter,
    factors::{self, Proved},
    one_time::Token,
    relying_party::{Assertion, Credential},
    row,
    sessions::LoginFailure,
    tokens::Principal,
};

/// What somebody proves again with.
pub struct ProvingPasskey<'a> {
    /// Who it is, and in which session.
    pub principal: Principal,
    /// The token of the ceremony; what is none is refused like a wrong one.
    pub token: Option<&'a Token>,
    /// What the authenticator answered, as `PublicKeyCredential.toJSON` has it.
    pub answer: &'a Value,
    /// The request, when it may be sent again.
    pub attempt: Option<&'a Attempt>,
}

/// An own passkey as it is kept, with the ceremony that it answers.
struct Found {
    passkey: Uuid,
    credential: Value,
    state: Option<Value>,
    is_named: bool,
}

/// Notes that the user of a session proved again who they are, or returns `None` when the answer is refused, which is written down
/// with its reason.
pub async fn prove(
    connection: &Connection,
    party: &RelyingParty,
    author: Author<'_>,
    proving: &ProvingPasskey<'_>,
) -> Result<Option<Proved>> {
    let assertion = Assertion::read(proving.answer);
    let found = match &assertion {
        Some(assertion) => find(connection, proving, assertion).await?,
        None => None,
    };
    let failure = match check(party, assertion.as_ref(), found) {
        Ok((passkey, credential)) => {
            let author = author.once(proving.attempt);
            let proved = note(connection, author, proving, (passkey, &credential)).await?;
            if proved.is_some() {
                return Ok(proved);
            }
            LoginFailure::WrongPasskey
        }
        Err(failure) => failure,
    };
    // An authenticator that counts answers an earlier attempt no second time.
    if let Some(attempt) = proving.attempt
        && let Some(proved) = factors::proved_before(connection, attempt).await?
    {
        return Ok(Some(proved));
    }
    record_refusal(connection, author, proving, failure).await?;
    Ok(None)
}

fn check(
    party: &RelyingParty,
    assertion: Option<&Assertion>,
    found: Option<Found>,
) -> std::result::Result<(Uuid, Credential), LoginFailure> {
    let assertion = assertion.ok_or(LoginFailure::WrongPasskey)?;
    let found = found.filter(|found| found.is_named);
    let found = found.ok_or(LoginFailure::UnknownPasskey)?;
    let state = found.state.ok_or(LoginFailure::WrongPasskey)?;
    let credential = party.check_any(state, assertion, found.credential)?;
    Ok((found.passkey, credential))
}

/// Returns the own passkey that an answer names, with the ceremony of this session that it belongs to. Whether that is still good
/// the change itself decides.
async fn find(
    connection: &Connection,
    proving: &ProvingPasskey<'_>,
    assertion: &Assertion,
) -> Result<Option<Found>> {
    let statement = "select
          passkeys.id as passkey_id,
          passkeys.credential,
          passkey_handles.handle,
          (
            select state
            from passkey_ceremonies
            where token_hash = $3
              and purpose = $4
              and user_id = $2
              and session_id = $5
          ) as state
        from passkeys
        left join passkey_handles on passkey_handles.user_id = passkeys.user_id
        where passkeys.credential_id = $1
          and passkeys.user_id = $2";
    let hash = proving.token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let Principal { user, session } = proving.principal;
    let parameters: &[Parameter<'_>] = &[
        (&assertion.credential_id(), Type::BYTEA),
        (&user.get(), Type::INT8),
        (&hash, Type::BYTEA),
        (&Ceremony::StepUp.as_str(), Type::TEXT),
        (&session.get(), Type::UUID),
    ];
    let row = connection
        .row("find own passkey", statement, parameters)
        .await?;
    row.map(|row| {
        let handle: Option<Uuid> = row::get(&row, "handle")?;
        Ok(Found {
            passkey: row::get(&row, "passkey_id")?,
            credential: row::get(&row, "credential")?,
            state: row::get(&row, "state")?,
            // Whose it is was said by the question, so that an authenticator need not say it.
            is_named: !assertion.has_handle() || assertion.handle() == handle,
        })
    })
    .transpose()
}

/// The parameters are those of [`note`], in the order it sends them.
fn note_statement() -> String {
    let used = use_up(
        3,
        "and passkey_ceremonies.user_id = account.id
            and passkey_ceremonies.session_id = $2",
    );
    format!(
        "account as (
          select id
          from users
          where id = $1
            and is_active
            and deleted_at is null
          for no key update
        ),
        {used}
        change as (
          update sessions
          set
            authenticated_at = now(),
            methods = $9
          from passkey
          cross join account
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
        )"
    )
}

/// Uses up the ceremony and moves the counter on in the statement that notes the proof: of several at once, one gets there.
async fn note(
    connection: &Connection,
    author: Author<'_>,
    proving: &ProvingPasskey<'_>,
    (passkey, credential): (Uuid, &Credential),
) -> Result<Option<Proved>> {
    let hash = proving.token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let Principal { user, session } = proving.principal;
    let methods = [Method::Passkey.as_str()];
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&session.get(), Type::UUID),
        (&hash, Type::BYTEA),
        (&Ceremony::StepUp.as_str(), Type::TEXT),
        (&passkey, Type::UUID),
        (&credential.kept, Type::JSONB),
        (&credential.sign_count, Type::INT8),
        (&credential.is_synced, Type::BOOL),
        (&methods.as_slice(), Type::TEXT_ARRAY),
    ];
    let event = Event::new(Action::Reauthenticate, Entity::User)
        .with_payload(json!({ "passkeyId": passkey }));
    let changed = connection
        .change_once(
            "prove by passkey",
            author,
            &event,
            &note_statement(),
            parameters,
        )
        .await?;
    changed.as_ref().map(Proved::read).transpose()
}

/// Writes down that an answer was refused; the question is not put again. That of another session stays.
async fn record_refusal(
    connection: &Connection,
    author: Author<'_>,
    proving: &ProvingPasskey<'_>,
    failure: LoginFailure,
) -> Result<()> {
    let change = "used as (
          update passkey_ceremonies
          set used_at = now()
          where token_hash = $3
            and purpose = $4
            and user_id = $1
            and session_id = $2
            and used_at is null
        ),
        change as (select $1::bigint as entity_id)";
    let hash = proving.token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let Principal { user, session } = proving.principal;
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&session.get(), Type::UUID),
        (&hash, Type::BYTEA),
        (&Ceremony::StepUp.as_str(), Type::TEXT),
    ];
    let payload = json!({ "purpose": Ceremony::StepUp.as_str(), "reason": failure.as_str() });
    let event = Event::new(Action::PasskeyRefused, Entity::User).with_payload(payload);
    connection
        .change("record refused proof", author, &event, change, parameters)
        .await?;
    Ok(())
}
