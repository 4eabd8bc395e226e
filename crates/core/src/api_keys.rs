//! API keys: made, listed, rotated and revoked by their owners, and shown by machines in place of an access token.
//!
//! A key may do what its scopes and the roles of its owner allow, both as they are now. It has no session, so nothing that needs
//! one is open to it.

use tokio_postgres::{Row, types::Type};
use usher_domain::{
    Action, ApiKey, ApiKeyId, Entity, Event, KeyDays, KeyName, NewApiKey, Overlap, UserId,
};
use uuid::Builder;

use crate::{
    Attempt, Author, Connection, Result,
    actor::{Actor, By, KeyUse},
    audited::Changed,
    bytes::random,
    connection::Parameter,
    mails::Mail,
    roles::PERMISSIONS_OF_USER,
    row::{self, USER_COLUMNS},
    users::{MUST_VERIFY, spellings},
};

mod token;

use token::secret;
pub use token::{Token, parse};

/// The most keys that a user may have which are good.
pub const MOST: i64 = 50;

/// The columns that [`read`] reads.
const COLUMNS: &str = "
          api_keys.id,
          api_keys.name,
          api_keys.scopes,
          api_keys.created_at,
          api_keys.expires_at,
          api_keys.last_used_at,
          api_keys.rotated_at,
          api_keys.previous_until";

/// What holds of a key that is good with the secret of the hash `$2`.
const IS_GOOD: &str = "api_keys.id = $1
          and (api_keys.secret_hash = $2 or (api_keys.previous_hash = $2 and api_keys.previous_until > now()))
          and api_keys.revoked_at is null
          and api_keys.expires_at > now()";

/// Returns who a key acts for now, or `None` when the key or its owner is no longer good. Beside that it is written down that the
/// key was used, once an hour, at no further wait.
pub async fn authorise(connection: &Connection, key: KeyUse) -> Result<Option<Actor>> {
    let statement = format!(
        "select
          {USER_COLUMNS},
          {PERMISSIONS_OF_USER},
          users.second_factors,
          api_keys.scopes
        from api_keys
        join users on users.id = api_keys.user_id
        where {IS_GOOD}
          and users.is_active
          and users.deleted_at is null
          and not {MUST_VERIFY}"
    );
    let (id, hash) = (key.id.get(), key.hash.as_slice());
    let parameters: &[Parameter<'_>] = &[(&id, Type::INT8), (&hash, Type::BYTEA)];
    let find = connection.row("authorise key", &statement, parameters);
    let (row, touched) = tokio::join!(find, touch(connection, parameters));
    // A database that can only be read tells all the same who somebody is.
    if let Err(error) = touched {
        tracing::warn!(%error, "the use of an API key was not written down");
    }
    row?.map(|row| {
        let scopes: Vec<&str> = row::get(&row, "scopes")?;
        Ok(Actor {
            user: row::user(&row)?,
            permissions: row::permissions(&row)?.common(&scopes.into_iter().collect()),
            factors: row::factors(&row)?,
            by: By::Key(key),
        })
    })
    .transpose()
}

/// Writes down that a key was used, unless that was done within the hour.
async fn touch(connection: &Connection, parameters: &[Parameter<'_>]) -> Result<()> {
    let statement = format!(
        "update api_keys
        set last_used_at = now()
        where {IS_GOOD}
          and (api_keys.last_used_at is null or api_keys.last_used_at < now() - interval '1 hour')"
    );
    let touched = connection.settle("touch key", &statement, parameters).await;
    touched.map(drop)
}

/// Makes a key, and returns it with its token.
pub async fn insert(
    connection: &Connection,
    author: Author<'_>,
    (owner, attempt): (UserId, Option<&Attempt>),
    new: &NewApiKey,
    mail: &Mail,
) -> Result<Option<(ApiKey, Token)>> {
    let change = format!(
        "change as (
          insert into api_keys (
            user_id,
            name,
            scopes,
            secret_hash,
            expires_at
          )
          values ($1, $2, $3, $4, now() + make_interval(days => $5))
          returning {COLUMNS}, api_keys.id as entity_id, $6::uuid as salt
        )"
    );
    let salt = Builder::from_random_bytes(random()?).into_uuid();
    let secret = secret(attempt, salt)?;
    let hash = token::hash(&secret);
    let parameters: &[Parameter<'_>] = &[
        (&owner.get(), Type::INT8),
        (&new.name.as_str(), Type::TEXT),
        (&spellings(&new.scopes), Type::TEXT_ARRAY),
        (&hash.as_slice(), Type::BYTEA),
        (&new.days.get(), Type::INT4),
        (&salt, Type::UUID),
    ];
    let event = Event::new(Action::ApiKeyCreate, Entity::ApiKey).with_diff(new.created());
    let author = author.mailing(mail).once(attempt);
    let made = connection
        .change_once("insert key", author, &event, &change, parameters)
        .await?;
    made.map(|made| shown(&made, attempt, &secret)).transpose()
}

/// Another secret for a key.
#[derive(Clone, Copy, Debug)]
pub struct Replacement {
    /// Whose key it is.
    pub owner: UserId,
    /// The key.
    pub key: ApiKeyId,
    /// For how long the secret before stays good.
    pub overlap: Overlap,
    /// For how long the key is good from now on, when that changes.
    pub days: Option<KeyDays>,
}

/// Why a key was not rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The owner has no such key that is good.
    Unknown,
    /// It got another secret at the same time.
    Rotated,
}

/// Gives a key another secret, or returns why not. Of several that begin while another is under way none is made: its secret would
/// be replaced before anybody could use it.
pub async fn rotate(
    connection: &Connection,
    author: Author<'_>,
    attempt: Option<&Attempt>,
    new: Replacement,
) -> Result<std::result::Result<(ApiKey, Token), Refusal>> {
    // `seen` is the key as the statement found it when it began; whoever waited for another rotation finds another secret.
    let change = format!(
        "seen as materialized (
          select id, secret_hash
          from api_keys
          where id = $1
            and user_id = $2
        ),
        change as (
          update api_keys
          set
            secret_hash = $3,
            previous_hash = api_keys.secret_hash,
            previous_until = now() + make_interval(hours => $4),
            rotated_at = now(),
            expires_at = case when $5::integer is null then api_keys.expires_at else now() + make_interval(days => $5) end
          from seen
          where api_keys.id = seen.id
            and api_keys.secret_hash = seen.secret_hash
            and api_keys.revoked_at is null
            and api_keys.expires_at > now()
          returning {COLUMNS}, api_keys.id as entity_id, $6::uuid as salt
        )"
    );
    let salt = Builder::from_random_bytes(random()?).into_uuid();
    let secret = secret(attempt, salt)?;
    let hash = token::hash(&secret);
    let parameters: &[Parameter<'_>] = &[
        (&new.key.get(), Type::INT8),
        (&new.owner.get(), Type::INT8),
        (&hash.as_slice(), Type::BYTEA),
        (&new.overlap.get(), Type::INT4),
        (&new.days.map(KeyDays::get), Type::INT4),
        (&salt, Type::UUID),
    ];
    let mut details = serde_json::json!({ "overlapHours": new.overlap.get() });
    if let Some(days) = new.days {
        details["days"] = days.get().into();
    }
    let event = Event::new(Action::ApiKeyRotate, Entity::ApiKey).with_payload(details);
    let rotated = connection
        .change_once(
            "rotate key",
            author.once(attempt),
            &event,
            &change,
            parameters,
        )
        .await?;
    match rotated {
        Some(rotated) => shown(&rotated, attempt, &secret).map(Ok),
        None => refusal(connection, new).await.map(Err),
    }
}

/// Returns why a key was not rotated.
async fn refusal(connection: &Connection, new: Replacement) -> Result<Refusal> {
    let statement = "select id
        from api_keys
        where id = $1
          and user_id = $2
          and revoked_at is null
          and expires_at > now()";
    let parameters: &[Parameter<'_>] =
        &[(&new.key.get(), Type::INT8), (&new.owner.get(), Type::INT8)];
    let row = connection
        .row("find refusal of rotation", statement, parameters)
        .await?;
    Ok(row.map_or(Refusal::Unknown, |_| Refusal::Rotated))
}

/// Returns a key with its token: the secret is that of the attempt that made it.
fn shown(
    changed: &Changed,
    attempt: Option<&Attempt>,
    secret: &token::Secret,
) -> Result<(ApiKey, Token)> {
    let key = read(&changed.row)?;
    let token = match attempt {
        Some(attempt) if changed.is_repeated => {
            let salt = row::get(&changed.row, "salt")?;
            Token::new(key.id, &token::derive(attempt.seed_of(&changed.row)?, salt))
        }
        _ => Token::new(key.id, secret),
    };
    Ok((key, token))
}

/// Takes a key of a user back, and tells whether there was one.
pub async fn revoke(
    connection: &Connection,
    author: Author<'_>,
    owner: UserId,
    key: ApiKeyId,
) -> Result<bool> {
    let change = "change as (
          update api_keys
          set revoked_at = now()
          where id = $1
            and user_id = $2
            and revoked_at is null
            and expires_at > now()
          returning api_keys.id as entity_id
        )";
    let parameters: &[Parameter<'_>] = &[(&key.get(), Type::INT8), (&owner.get(), Type::INT8)];
    let event = Event::new(Action::ApiKeyRevoke, Entity::ApiKey);
    let revoked = connection
        .change("revoke key", author, &event, change, parameters)
        .await?;
    Ok(revoked.is_some())
}

/// Returns the keys of a user that are good, the newest first.
pub async fn list(connection: &Connection, owner: UserId) -> Result<Vec<ApiKey>> {
    let statement = format!(
        "select {COLUMNS}
        from api_keys
        where user_id = $1
          and revoked_at is null
          and expires_at > now()
        order by created_at desc, id desc
        limit $2"
    );
    let parameters: &[Parameter<'_>] = &[(&owner.get(), Type::INT8), (&MOST, Type::INT8)];
    let rows = connection.rows("list keys", &statement, parameters).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ApiKey> {
    let scopes: Vec<&str> = row::get(row, "scopes")?;
    Ok(ApiKey {
        id: ApiKeyId::new(row::get(row, "id")?),
        name: row::parse(row, "name", KeyName::parse)?,
        scopes: scopes.into_iter().collect(),
        created_at: row::get(row, "created_at")?,
        expires_at: row::get(row, "expires_at")?,
        last_used_at: row::get(row, "last_used_at")?,
        rotated_at: row::get(row, "rotated_at")?,
        previous_until: row::get(row, "previous_until")?,
    })
}
