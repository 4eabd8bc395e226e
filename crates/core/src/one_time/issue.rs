//! A new secret takes the place of the older one.

use tokio_postgres::types::Type;
use usher_domain::Purpose;

use crate::connection::Parameter;

/// What is stored of a secret.
pub(crate) struct NewRow {
    pub(super) purpose: Purpose,
    pub(super) subject: String,
    /// What the subject was called with the other secrets of the deployment.
    pub(super) older_subjects: Vec<String>,
    pub(super) secret_hash: [u8; 32],
    pub(super) code_hash: Option<[u8; 32]>,
}

impl NewRow {
    /// Returns what [`issued`] takes: purpose, subject, hash of the token, hash of the code, for how many minutes each is
    /// good, and the older subjects.
    pub(crate) fn values(&self) -> Values<'_> {
        Values {
            purpose: self.purpose.as_str(),
            subject: &self.subject,
            secret_hash: &self.secret_hash,
            code_hash: self.code_hash.as_ref().map(<[u8; 32]>::as_slice),
            link_minutes: self.purpose.link_minutes(),
            code_minutes: self.purpose.code_minutes(),
            older_subjects: &self.older_subjects,
        }
    }
}

/// The values of a new row, as a statement takes them.
pub(crate) struct Values<'a> {
    purpose: &'static str,
    subject: &'a str,
    secret_hash: &'a [u8],
    code_hash: Option<&'a [u8]>,
    link_minutes: i32,
    code_minutes: Option<i32>,
    older_subjects: &'a [String],
}

impl Values<'_> {
    /// Returns the parameters of [`issued`], in its order.
    pub(crate) fn parameters(&self) -> [Parameter<'_>; 7] {
        [
            (&self.purpose, Type::TEXT),
            (&self.subject, Type::TEXT),
            (&self.secret_hash, Type::BYTEA),
            (&self.code_hash, Type::BYTEA),
            (&self.link_minutes, Type::INT4),
            (&self.code_minutes, Type::INT4),
            (&self.older_subjects, Type::TEXT_ARRAY),
        ]
    }
}

/// Writes what stores a secret in place of the older one, for the one row of `holder` with the columns `user_id` and
/// `address`. Its seven parameters begin at `first`.
pub(crate) fn issued(first: usize, holder: &str) -> String {
    let [purpose, subject, secret, code, link, minutes, older] =
        std::array::from_fn(|index| first + index);
    format!(
        "secret as (
          insert into one_time_secrets (
            purpose,
            subject,
            user_id,
            address,
            secret_hash,
            code_hash,
            expires_at,
            code_expires_at
          )
          select
            ${purpose},
            ${subject},
            {holder}.user_id,
            {holder}.address,
            ${secret},
            ${code},
            now() + make_interval(mins => ${link}),
            now() + make_interval(mins => ${minutes})
          from {holder}
          on conflict (purpose, subject) do update
          set
            user_id = excluded.user_id,
            address = excluded.address,
            secret_hash = excluded.secret_hash,
            code_hash = excluded.code_hash,
            tries = 0,
            created_at = now(),
            expires_at = excluded.expires_at,
            code_expires_at = excluded.code_expires_at,
            used_at = null
        ),
        replaced as (
          update one_time_secrets
          set used_at = now()
          where purpose = ${purpose}
            and subject = any (${older})
            and used_at is null
        )"
    )
}
