//! Reading rows by the names of their columns, and what is stored back into its types.

use time::{Duration, OffsetDateTime};
use tokio_postgres::{Row, types::FromSql};
use usher_domain::{
    AvatarUrl, Email, Factors, Invalid, Method, Methods, Name, Permissions, Proof, RoleName,
    RoleSet, User, UserId,
};

use crate::{Error, Result};

/// The columns that [`user`] reads.
pub(crate) const USER_COLUMNS: &str = "
  users.id,
  users.name,
  users.email,
  users.roles,
  users.is_active,
  users.avatar_url,
  users.version,
  users.created_at,
  users.updated_at";

/// The columns that changes return, as they are read out of what was stored of one: those of a user, an
/// invitation, a session and an API key.
pub(crate) const OUTCOME_COLUMNS: &str = "
          id bigint,
          name text,
          email text,
          roles text[],
          is_active boolean,
          avatar_url text,
          version bigint,
          created_at timestamptz,
          updated_at timestamptz,
          state text,
          invited_by bigint,
          expires_at timestamptz,
          session_id uuid,
          authenticated_at timestamptz,
          methods text[],
          issued_at timestamptz,
          nonce uuid,
          passkey_id uuid,
          is_synced boolean,
          last_used_at timestamptz,
          scopes text[],
          rotated_at timestamptz,
          previous_until timestamptz,
          salt uuid,
          second_factors text[]";

/// Reads one column.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &'static str) -> Result<T> {
    row.try_get(column)
        .map_err(|error| Error::corrupt(column, error))
}

/// Reads how long ago something was, which the database says in seconds.
pub(crate) fn age(row: &Row) -> Result<Duration> {
    get(row, "age").map(Duration::seconds_f64)
}

/// Reads one column and checks it again.
pub(crate) fn parse<T>(
    row: &Row,
    column: &'static str,
    parse: impl FnOnce(&str) -> std::result::Result<T, Invalid>,
) -> Result<T> {
    parse(get(row, column)?).map_err(|error| Error::corrupt(column, error))
}

/// Reads a user.
pub(crate) fn user(row: &Row) -> Result<User> {
    let avatar_url: Option<&str> = get(row, "avatar_url")?;
    let roles: Vec<&str> = get(row, "roles")?;
    let roles = roles
        .into_iter()
        .map(RoleName::parse)
        .collect::<std::result::Result<_, _>>();
    Ok(User {
        id: UserId::new(get(row, "id")?),
        name: parse(row, "name", Name::parse)?,
        email: parse(row, "email", Email::parse)?,
        roles: roles
            .and_then(RoleSet::new)
            .map_err(|error| Error::corrupt("roles", error))?,
        is_active: get(row, "is_active")?,
        avatar_url: avatar_url
            .map(AvatarUrl::parse)
            .transpose()
            .map_err(|error| Error::corrupt("avatar_url", error))?,
        version: get(row, "version")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
    })
}

/// The columns of `sessions` that [`proof`] reads.
pub(crate) const PROOF_COLUMNS: &str = "
  sessions.methods,
  coalesce(sessions.authenticated_at, sessions.created_at) as authenticated_at";

/// Reads by what and when somebody proved who they are. What an older build stored of a sign-in was by password.
pub(crate) fn proof(row: &Row) -> Result<Proof> {
    let names: Option<Vec<&str>> = get(row, "methods")?;
    let methods = match names {
        Some(names) => Methods::parse(names).map_err(|error| Error::corrupt("methods", error))?,
        None => Methods::one(Method::Password),
    };
    Ok(Proof {
        methods,
        at: get(row, "authenticated_at")?,
    })
}

/// Reads which second factors an account has.
pub(crate) fn factors(row: &Row) -> Result<Factors> {
    get(row, "second_factors").map(Factors::new)
}

/// Reads permissions; those that this build does not know allow nothing.
pub(crate) fn permissions(row: &Row) -> Result<Permissions> {
    let names: Vec<&str> = get(row, "permissions")?;
    Ok(names.into_iter().collect())
}

/// Writes a time as the key of a position: microseconds since 1970, which is what the database keeps of it.
pub(crate) fn time_key(time: OffsetDateTime) -> String {
    time.unix_timestamp_nanos().div_euclid(1000).to_string()
}

/// Reads a time as [`time_key`] writes it.
pub(crate) fn time_of(key: &str) -> Option<OffsetDateTime> {
    let microseconds: i128 = key.parse().ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(microseconds.checked_mul(1000)?).ok()
}
