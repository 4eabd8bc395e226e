//! Sealing the secrets of apps with the secret of the deployment that seals now: those of people who do not sign in, too, so that an
//! older one can be taken out.

use tokio_postgres::types::Type;
use usher_domain::UserId;

use super::codes::{open, seal};
use crate::{Connection, Result, connection::Parameter, row, secret::Secret};

/// How many are sealed anew at once.
const MOST: i64 = 200;

/// Seals anew what was sealed with another secret of the list, and returns how many there were; at most 200 at once.
pub async fn reseal(connection: &Connection, secret: &Secret) -> Result<usize> {
    let older: Vec<_> = secret.all().skip(1).map(|keys| keys.id.to_vec()).collect();
    if older.is_empty() {
        return Ok(0);
    }
    let statement = "select
          user_id,
          sealed
        from totp_factors
        where substr(sealed, 1, 4) = any ($1)
        limit $2";
    let parameters: &[Parameter<'_>] = &[(&older, Type::BYTEA_ARRAY), (&MOST, Type::INT8)];
    let rows = connection
        .rows("find older seals", statement, parameters)
        .await?;
    let mut count = 0;
    for row in rows {
        let user = UserId::new(row::get(&row, "user_id")?);
        let sealed: Vec<u8> = row::get(&row, "sealed")?;
        match open(secret, user, &sealed) {
            Ok(key) => {
                let newer = seal(secret, user, &key)?;
                count += replace(connection, user, &sealed, newer).await?;
            }
            Err(unopened) => {
                tracing::error!(%user, %unopened, "the secret of an authenticator app cannot be opened");
            }
        }
    }
    Ok(count)
}

/// Replaces a seal, unless it was replaced meanwhile.
async fn replace(
    connection: &Connection,
    user: UserId,
    older: &[u8],
    newer: Vec<u8>,
) -> Result<usize> {
    let statement = "update totp_factors
        set sealed = $3
        where user_id = $1
          and sealed = $2
        returning user_id";
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&older, Type::BYTEA),
        (&newer, Type::BYTEA),
    ];
    let rows = connection
        .settle("seal anew", statement, parameters)
        .await?;
    Ok(rows.len())
}
