//! What is held of the second factors and passkeys of a user: when and how often, never what they are proved by.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};
use usher_domain::{ApiKeyId, PasskeyId, PasskeyName};
use uuid::Uuid;

use crate::{Connection, Result, connection::Parameter, row};

/// How many API keys an export holds, the newest ones.
const MOST_KEYS: i64 = 1000;

/// An authenticator app.
#[derive(Clone, Copy, Debug)]
pub struct KeptApp {
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When its first code was shown; before that it is not in force.
    pub confirmed_at: Option<OffsetDateTime>,
    /// When a code of it was last used.
    pub last_used_at: Option<OffsetDateTime>,
}

/// A recovery code.
#[derive(Clone, Copy, Debug)]
pub struct KeptRecoveryCode {
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was used.
    pub used_at: Option<OffsetDateTime>,
}

/// A passkey.
#[derive(Clone, Debug)]
pub struct KeptPasskey {
    /// The id.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: PasskeyName,
    /// What its authenticator calls it, in base64url, as browsers have it.
    pub credential_id: String,
    /// Whom its authenticator knows it for, the same for all passkeys of a user.
    pub handle: Option<Uuid>,
    /// How often its authenticator has signed with it, where that counts.
    pub sign_count: i64,
    /// Whether it may be copied to other devices of its owner.
    pub is_syncable: bool,
    /// Whether it has been.
    pub is_synced: bool,
    /// When it was added.
    pub created_at: OffsetDateTime,
    /// When it was last used.
    pub last_used_at: Option<OffsetDateTime>,
}

/// An API key, good or not any more.
#[derive(Clone, Debug)]
pub struct KeptApiKey {
    /// The key.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do at the most.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it is good no more.
    pub expires_at: OffsetDateTime,
    /// When it was last used, to the hour.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it got its present secret, if that is not the first one.
    pub rotated_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

/// Returns the authenticator app, in force or begun.
pub(super) async fn app(connection: &Connection, id: i64) -> Result<Option<KeptApp>> {
    let statement = "select
          created_at,
          confirmed_at,
          last_used_at
        from totp_factors
        where user_id = $1";
    let row = connection
        .row("export app", statement, &[(&id, Type::INT8)])
        .await?;
    row.map(|row| {
        Ok(KeptApp {
            created_at: row::get(&row, "created_at")?,
            confirmed_at: row::get(&row, "confirmed_at")?,
            last_used_at: row::get(&row, "last_used_at")?,
        })
    })
    .transpose()
}

/// Returns the recovery codes that are kept, also those that were used.
pub(super) async fn recovery_codes(
    connection: &Connection,
    id: i64,
) -> Result<Vec<KeptRecoveryCode>> {
    let statement = "select
          created_at,
          used_at
        from recovery_codes
        where user_id = $1
        order by used_at, created_at";
    let rows = connection
        .rows("export recovery codes", statement, &[(&id, Type::INT8)])
        .await?;
    let code = |row: &Row| {
        Ok(KeptRecoveryCode {
            created_at: row::get(row, "created_at")?,
            used_at: row::get(row, "used_at")?,
        })
    };
    rows.iter().map(code).collect()
}

/// Returns the passkeys, the newest first.
pub(super) async fn passkeys(connection: &Connection, id: i64) -> Result<Vec<KeptPasskey>> {
    let statement = "select
          passkeys.id,
          passkeys.name,
          passkeys.credential_id,
          passkey_handles.handle,
          passkeys.sign_count,
          passkeys.is_syncable,
          passkeys.is_synced,
          passkeys.created_at,
          passkeys.last_used_at
        from passkeys
        left join passkey_handles on passkey_handles.user_id = passkeys.user_id
        where passkeys.user_id = $1
        order by passkeys.created_at desc, passkeys.id";
    let rows = connection
        .rows("export passkeys", statement, &[(&id, Type::INT8)])
        .await?;
    let passkey = |row: &Row| {
        let credential_id: &[u8] = row::get(row, "credential_id")?;
        Ok(KeptPasskey {
            id: PasskeyId::new(row::get(row, "id")?),
            name: row::parse(row, "name", PasskeyName::parse)?,
            credential_id: URL_SAFE_NO_PAD.encode(credential_id),
            handle: row::get(row, "handle")?,
            sign_count: row::get(row, "sign_count")?,
            is_syncable: row::get(row, "is_syncable")?,
            is_synced: row::get(row, "is_synced")?,
            created_at: row::get(row, "created_at")?,
            last_used_at: row::get(row, "last_used_at")?,
        })
    };
    rows.iter().map(passkey).collect()
}

/// Returns the API keys that are kept, also those that are over, the newest first.
pub(super) async fn api_keys(connection: &Connection, id: i64) -> Result<Vec<KeptApiKey>> {
    let statement = "select
          id,
          name,
          scopes,
          created_at,
          expires_at,
          last_used_at,
          rotated_at,
          revoked_at
        from api_keys
        where user_id = $1
        order by created_at desc, id desc
        limit $2";
    let parameters: &[Parameter<'_>] = &[(&id, Type::INT8), (&MOST_KEYS, Type::INT8)];
    let rows = connection
        .rows("export keys", statement, parameters)
        .await?;
    let key = |row: &Row| {
        Ok(KeptApiKey {
            id: ApiKeyId::new(row::get(row, "id")?),
            name: row::get(row, "name")?,
            scopes: row::get(row, "scopes")?,
            created_at: row::get(row, "created_at")?,
            expires_at: row::get(row, "expires_at")?,
            last_used_at: row::get(row, "last_used_at")?,
            rotated_at: row::get(row, "rotated_at")?,
            revoked_at: row::get(row, "revoked_at")?,
        })
    };
    rows.iter().map(key).collect()
}
