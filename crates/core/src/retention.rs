//! What is kept for a while after it was over, and then removed: nothing here tells anybody anything any more, and what was done
//! with it stands in the audit log.

use tokio_postgres::types::Type;

use crate::{Connection, Result};

/// How many rows of a table are removed at once.
const MOST: i64 = 10_000;

/// Rows that are removed some time after they were over.
struct Remains {
    context: &'static str,
    table: &'static str,
    /// The columns that say which row it is.
    key: &'static str,
    /// When a row was over, for an index.
    over_at: &'static str,
    /// For how long it is kept then.
    kept_for: &'static str,
    /// What else holds of the rows, beginning with `and`.
    only: &'static str,
}

const SECRETS: Remains = Remains {
    context: "forget secrets",
    table: "one_time_secrets",
    key: "purpose, subject",
    over_at: "expires_at",
    kept_for: "1 day",
    only: "",
};

const CHALLENGES: Remains = Remains {
    context: "forget challenges",
    table: "challenges",
    key: "secret_hash",
    over_at: "expires_at",
    kept_for: "1 day",
    only: "",
};

const CEREMONIES: Remains = Remains {
    context: "forget ceremonies",
    table: "passkey_ceremonies",
    key: "token_hash",
    over_at: "expires_at",
    kept_for: "1 hour",
    only: "",
};

/// Apps that were begun with and never confirmed.
const BEGUN_FACTORS: Remains = Remains {
    context: "forget begun factors",
    table: "totp_factors",
    key: "user_id",
    over_at: "created_at",
    kept_for: "1 day",
    only: "and confirmed_at is null",
};

const EMAIL_CHANGES: Remains = Remains {
    context: "forget email changes",
    table: "email_changes",
    key: "user_id",
    over_at: "expires_at",
    kept_for: "1 day",
    only: "",
};

/// Deletions that were taken back or made.
const DELETIONS: Remains = Remains {
    context: "forget deletions",
    table: "account_deletions",
    key: "user_id",
    over_at: "ended_at",
    kept_for: "1 day",
    only: "",
};

const INVITATIONS: Remains = Remains {
    context: "forget invitations",
    table: "invitations",
    key: "id",
    over_at: "expires_at",
    kept_for: "30 days",
    only: "",
};

const API_KEYS: Remains = Remains {
    context: "forget keys",
    table: "api_keys",
    key: "id",
    over_at: "least(expires_at, revoked_at)",
    kept_for: "90 days",
    only: "",
};

/// Rates that nobody used for so long that there is nothing to remember.
const RATES: Remains = Remains {
    context: "forget rates",
    table: "request_rates",
    key: "key",
    over_at: "full_at",
    kept_for: "0",
    only: "",
};

const TRIES: Remains = Remains {
    context: "forget tries",
    table: "credential_tries",
    key: "key",
    over_at: "over_at",
    kept_for: "0",
    only: "",
};

impl Remains {
    /// A row that is not over any more meanwhile stays.
    async fn remove(&self, connection: &Connection) -> Result<()> {
        let Self {
            context,
            table,
            key,
            over_at,
            kept_for,
            only,
        } = self;
        let statement = format!(
            "delete from {table}
            where ({key}) in (
              select {key}
              from {table}
              where {over_at} < now() - interval '{kept_for}'
                {only}
              order by {over_at}
              limit $1
            )
            and {over_at} < now() - interval '{kept_for}'
            {only}"
        );
        let most = &[(&MOST as _, Type::INT8)];
        connection.settle(context, &statement, most).await?;
        Ok(())
    }
}

/// Removes what has been over for long enough, up to 10,000 rows of each table. All is sent at once, and waited for once.
pub async fn remove(connection: &Connection) -> Result<()> {
    tokio::try_join!(
        SECRETS.remove(connection),
        CHALLENGES.remove(connection),
        CEREMONIES.remove(connection),
        BEGUN_FACTORS.remove(connection),
        EMAIL_CHANGES.remove(connection),
        DELETIONS.remove(connection),
        INVITATIONS.remove(connection),
        API_KEYS.remove(connection),
        RATES.remove(connection),
        TRIES.remove(connection),
    )?;
    Ok(())
}
