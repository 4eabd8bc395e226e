//! A sign-in with a passkey.

use serde_json::{Value, json};
use tokio_postgres::types::Type;
use usher_domain::{Action, Ceremony, Entity, Event, Method, Methods, Origin, UserId};
use uuid::Uuid;

use super::ceremony::use_up;
use crate::{
    Attempt, Author, Connection, RelyingParty, Result,
    connection::Parameter,
    one_time::Token,
    relying_party::{Assertion, Credential, Refusal},
    row,
    secret::Secret,
    sessions::{self, Begin, LoginFailure, Session},
    users::MUST_VERIFY,
};

/// What somebody signs in with.
pub struct SignInPasskey<'a> {
    /// The token of the ceremony; what is none is refused like a wrong one.
    pub token: Option<&'a Token>,
    /// What the authenticator answered, as `PublicKeyCredential.toJSON` has it.
    pub answer: &'a Value,
    /// The request, when it may be sent again.
    pub attempt: Option<&'a Attempt>,
}

/// A passkey as it is kept, with whose it is and the ceremony that it answers.
struct Found {
    passkey: Uuid,
    user: UserId,
    credential: Value,
    state: Option<Value>,
    is_named: bool,
    is_active: bool,
    must_verify: bool,
}

/// Begins a session, or returns `None` when the answer is refused, which is written down with its reason.
///
/// Before anybody is signed in the account is asked for as it is now, as for a sign-in with a password.
pub async fn sign_in(
    connection: &Connection,
    party: &RelyingParty,
    origin: &Origin,
    secret: &Secret,
    sign_in: SignInPasskey<'_>,
) -> Result<Option<Session>> {
    let assertion = Assertion::read(sign_in.answer);
    let found = match &assertion {
        Some(assertion) => find(connection, sign_in.token, assertion).await?,
        None => None,
    };
    let user = found.as_ref().map(|found| found.user);
    let checked = check(party, assertion.as_ref(), found);
    let failure = match checked {
        Ok((passkey, credential, user)) => {
            let begun = Used {
                passkey,
                user,
                credential: &credential,
            };
            let session = start(connection, origin, secret, &sign_in, &begun).await?;
            if session.is_some() {
                return Ok(session);
            }
            LoginFailure::WrongPasskey
        }
        Err(failure) => failure,
    };
    if let Some(attempt) = sign_in.attempt
        && let Some(session) = sessions::repeated(connection, attempt).await?
    {
        return Ok(Some(session));
    }
    record_failure(connection, origin, user, sign_in.token, failure).await?;
    Ok(None)
}

impl From<Refusal> for LoginFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Wrong => Self::WrongPasskey,
            Refusal::Cloned => Self::ClonedPasskey,
        }
    }
}

fn check(
    party: &RelyingParty,
    assertion: Option<&Assertion>,
    found: Option<Found>,
) -> std::result::Result<(Uuid, Credential, UserId), LoginFailure> {
    let assertion = assertion.ok_or(LoginFailure::WrongPasskey)?;
    let found = found.filter(|found| found.is_named);
    let found = found.ok_or(LoginFailure::UnknownPasskey)?;
    let state = found.state.ok_or(LoginFailure::WrongPasskey)?;
    let credential = party.check_any(state, assertion, found.credential)?;
    if !found.is_active {
        return Err(LoginFailure::InactiveAccount);
    }
    if found.must_verify {
        return Err(LoginFailure::UnverifiedEmail);
    }
    Ok((found.passkey, credential, found.user))
}

/// Returns the passkey that an answer names, with the ceremony that it belongs to. Whether that is still good the change itself
/// decides.
async fn find(
    connection: &Connection,
    token: Option<&Token>,
    assertion: &Assertion,
) -> Result<Option<Found>> {
    let statement = format!(
        "select
          passkeys.id as passkey_id,
          passkeys.user_id,
          passkeys.credential,
          coalesce(passkey_handles.handle = $2, false) as is_named,
          (
            select state
            from passkey_ceremonies
            where token_hash = $3
              and purpose = $4
          ) as state,
          users.is_active and users.deleted_at is null as is_active,
          {MUST_VERIFY} as must_verify
        from passkeys
        join users on users.id = passkeys.user_id
        left join passkey_handles on passkey_handles.user_id = passkeys.user_id
        where passkeys.credential_id = $1"
    );
    let hash = token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let parameters: &[Parameter<'_>] = &[
        (&assertion.credential_id(), Type::BYTEA),
        (&assertion.handle(), Type::UUID),
        (&hash, Type::BYTEA),
        (&Ceremony::SignIn.as_str(), Type::TEXT),
    ];
    let row = connection
        .row("find passkey", &statement, parameters)
        .await?;
    row.map(|row| {
        Ok(Found {
            passkey: row::get(&row, "passkey_id")?,
            user: UserId::new(row::get(&row, "user_id")?),
            credential: row::get(&row, "credential")?,
            state: row::get(&row, "state")?,
            is_named: row::get(&row, "is_named")?,
            is_active: row::get(&row, "is_active")?,
            must_verify: row::get(&row, "must_verify")?,
        })
    })
    .transpose()
}

/// A passkey that was used.
struct Used<'a> {
    passkey: Uuid,
    user: UserId,
    credential: &'a Credential,
}

/// Uses up the ceremony and moves the counter on in the statement that begins the session: of several at once, one gets there.
async fn start(
    connection: &Connection,
    origin: &Origin,
    secret: &Secret,
    sign_in: &SignInPasskey<'_>,
    used: &Used<'_>,
) -> Result<Option<Session>> {
    let hash = sign_in.token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let ceremony = Ceremony::SignIn.as_str();
    let credential = used.credential;
    let begin = Begin {
        context: "start session by passkey",
        user: used.user,
        attempt: sign_in.attempt,
        methods: &Methods::one(Method::Passkey),
        is_open_to_unverified: false,
        payload: Some(("passkeyId", json!(used.passkey))),
        condition: "",
        proof: &use_up(8, ""),
        join: "
          cross join passkey",
        parameters: vec![
            (&hash, Type::BYTEA),
            (&ceremony, Type::TEXT),
            (&used.passkey, Type::UUID),
            (&credential.kept, Type::JSONB),
            (&credential.sign_count, Type::INT8),
            (&credential.is_synced, Type::BOOL),
        ],
    };
    sessions::begin(connection, origin, secret, begin).await
}

/// Writes down a sign-in that failed; the question is not put again.
async fn record_failure(
    connection: &Connection,
    origin: &Origin,
    user: Option<UserId>,
    token: Option<&Token>,
    failure: LoginFailure,
) -> Result<()> {
    let change = "used as (
          update passkey_ceremonies
          set used_at = now()
          where token_hash = $2
            and purpose = $3
            and used_at is null
        ),
        change as (select $1::bigint as entity_id)";
    let hash = token.map(Token::hash);
    let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
    let parameters: &[Parameter<'_>] = &[
        (&user.map(UserId::get), Type::INT8),
        (&hash, Type::BYTEA),
        (&Ceremony::SignIn.as_str(), Type::TEXT),
    ];
    let event = Event::new(Action::LoginFailed, Entity::User)
        .with_payload(json!({ "reason": failure.as_str(), "method": Method::Passkey.as_str() }));
    let author = Author::nobody(origin);
    connection
        .change("record failed passkey", author, &event, change, parameters)
        .await?;
    Ok(())
}
