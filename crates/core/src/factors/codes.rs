//! Codes that somebody shows: each try is counted before it is looked at, and each code is good once.

use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Email, Entity, Event, UserId};
use zeroize::Zeroizing;

use super::{MOST_TRIES, recovery, totp};
use crate::{
    Attempt, Author, Connection, Result,
    connection::Parameter,
    row,
    sealed::{self, Label, Unopened},
    secret::Secret,
};

/// What the secrets of authenticator apps are sealed as.
const LABEL: Label = "usher totp v1";

/// Which secret of an authenticator app a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The one in force.
    InForce,
    /// The one that was begun and is to be confirmed.
    Begun,
}

/// Whose code it is, now that the try was counted.
pub struct Tried {
    /// The user.
    pub user: UserId,
    /// The address, for what the owner is told.
    pub email: Email,
    /// How many recovery codes there were. Another one that is used at the same moment is not seen.
    pub recovery_codes: i64,
    pub(super) sealed: Option<Vec<u8>>,
    /// Seconds since 1970, by the clock of the database.
    now: i64,
}

/// A code that is right as far as can be told before it is used; whether it was used before its statement says.
#[derive(Clone, Default)]
pub struct Used {
    pub(super) step: Option<i64>,
    /// The secret of the app, sealed anew since it was sealed with an older secret of the deployment.
    pub(super) resealed: Option<Vec<u8>>,
    recovery: Option<[u8; 32]>,
}

impl Used {
    /// Tells whether it is a recovery code.
    pub fn is_recovery_code(&self) -> bool {
        self.recovery.is_some()
    }

    /// Returns what [`used`] takes.
    pub(super) fn values(&self) -> (Option<i64>, Option<&[u8]>, Option<&[u8]>) {
        let recovery = self.recovery.as_ref().map(<[u8; 32]>::as_slice);
        (self.step, self.resealed.as_deref(), recovery)
    }
}

/// Writes what uses a code up, for the one row of `holder` with the column `id`: `proven` has a row when it was good. The
/// parameters begin at `first`: the step, the secret sealed anew, and the hash of a recovery code.
pub(super) fn used(first: usize, holder: &str) -> String {
    let [step, resealed, recovery] = std::array::from_fn(|index| first + index);
    format!(
        "stepped as (
          update totp_factors
          set
            last_step = ${step},
            last_used_at = now(),
            tries = 0,
            sealed = coalesce(${resealed}, totp_factors.sealed)
          from {holder}
          where totp_factors.user_id = {holder}.id
            and totp_factors.confirmed_at is not null
            and totp_factors.last_step < ${step}
          returning totp_factors.user_id
        ),
        recovered as (
          update recovery_codes
          set used_at = now()
          from {holder}
          where recovery_codes.user_id = {holder}.id
            and recovery_codes.code_hash = ${recovery}
            and recovery_codes.used_at is null
          returning recovery_codes.user_id
        ),
        proven as (
          select user_id from stepped
          union all
          select user_id from recovered
        )"
    )
}

/// Writes what a try is told beside the secret, of the user whose id is the column `user_id` of a table.
pub(super) fn told(table: &str) -> String {
    format!(
        "extract(epoch from now())::bigint as now,
          (
            select users.email
            from users
            where users.id = {table}.user_id
          ) as email,
          (
            select count(*)
            from recovery_codes
            where recovery_codes.user_id = {table}.user_id
              and recovery_codes.used_at is null
          ) as recovery_codes"
    )
}

impl Tried {
    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            user: UserId::new(row::get(row, "user_id")?),
            email: row::parse(row, "email", Email::parse)?,
            recovery_codes: row::get(row, "recovery_codes")?,
            sealed: row::get(row, "sealed")?,
            now: row::get(row, "now")?,
        })
    }

    /// Looks at a code: six digits of the app, or a recovery code.
    pub fn check(&self, secret: &Secret, code: &str) -> Result<Option<Used>> {
        if let Some(recovery) = recovery::hash(self.user, code) {
            let used = Used::default();
            return Ok(Some(Used {
                recovery: Some(recovery),
                ..used
            }));
        }
        self.check_totp(secret, code)
    }

    /// Looks at a code of the app alone.
    pub fn check_totp(&self, secret: &Secret, code: &str) -> Result<Option<Used>> {
        let Some(sealed) = &self.sealed else {
            return Ok(None);
        };
        let key = match open(secret, self.user, sealed) {
            Ok(key) => key,
            Err(unopened) => {
                // The owner has the recovery codes, which hang on no secret.
                tracing::error!(user = %self.user, %unopened, "the secret of an authenticator app cannot be opened");
                return Ok(None);
            }
        };
        let Some(step) = totp::matching(&key, totp::step_at(self.now), code) else {
            return Ok(None);
        };
        let resealed = if sealed::is_current(secret, sealed) {
            None
        } else {
            Some(seal(secret, self.user, &key)?)
        };
        Ok(Some(Used {
            step: Some(step),
            resealed,
            recovery: None,
        }))
    }
}

/// Counts a try at a code within a session, before the code is looked at, or returns `None` when there is none left for ten
/// minutes, or nothing to try. A request that comes again with its key shows the same code, and is the same try.
pub async fn count_try(
    connection: &Connection,
    user: UserId,
    state: State,
    attempt: Option<&Attempt>,
) -> Result<Option<Tried>> {
    let statement = format!(
        "update totp_factors
        set
          tries = case
            when tries_end_at > now() and last_request = $4 then tries
            when tries_end_at > now() then tries + 1
            else 1
          end,
          tries_end_at = case when tries_end_at > now() then tries_end_at else now() + interval '10 minutes' end,
          last_request = $4
        where user_id = $1
          and (confirmed_at is not null) = $2
          and (tries < $3 or tries_end_at <= now() or last_request = $4)
        returning
          user_id,
          sealed,
          {told}",
        told = told("totp_factors"),
    );
    let request = attempt.and_then(Attempt::request);
    let is_in_force = state == State::InForce;
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&is_in_force, Type::BOOL),
        (&MOST_TRIES, Type::INT4),
        (&request, Type::BYTEA),
    ];
    let rows = connection
        .settle("count code", &statement, parameters)
        .await?;
    rows.first().map(Tried::read).transpose()
}

/// Writes down that somebody who is signed in showed a code that is not good.
pub async fn record_refused_code(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
) -> Result<()> {
    let event = Event::new(Action::CodeRefused, Entity::User);
    let change = "change as (select $1::bigint as entity_id)";
    let user = &[(
        &user.get() as &(dyn tokio_postgres::types::ToSql + Sync),
        Type::INT8,
    )];
    connection
        .change("record refused code", author, &event, change, user)
        .await?;
    Ok(())
}

/// Seals the secret of an app for its user.
pub(super) fn seal(secret: &Secret, user: UserId, key: &[u8]) -> Result<Vec<u8>> {
    sealed::seal(secret, LABEL, &owner(user), key.to_vec())
}

pub(super) fn open(
    secret: &Secret,
    user: UserId,
    sealed: &[u8],
) -> std::result::Result<Zeroizing<Vec<u8>>, Unopened> {
    sealed::open(secret, LABEL, &owner(user), sealed).map(Zeroizing::new)
}

fn owner(user: UserId) -> [u8; 8] {
    user.get().to_be_bytes()
}
