//! A secret that somebody shows, and the one time that it is good for.

use tokio_postgres::types::Type;
use usher_domain::{Email, Purpose};

use super::{MOST_TRIES, Token, code_hash, subject};
use crate::{Connection, Result, connection::Parameter, secret::Secret};

/// What somebody shows: the token of a link, or a code with the address that it was sent to.
pub struct Shown {
    purpose: Purpose,
    pub(super) by: By,
}

pub(super) enum By {
    Token([u8; 32]),
    /// As each secret of the deployment has it.
    Code {
        subjects: Vec<String>,
        hashes: Vec<[u8; 32]>,
    },
}

impl Shown {
    /// Shows the token of a link.
    pub fn token(purpose: Purpose, token: &Token) -> Self {
        let by = By::Token(token.hash());
        Self { purpose, by }
    }

    /// Shows the token of a link beside that of the request that asked for it.
    pub fn bound_token(purpose: Purpose, token: &Token, request: &Token) -> Self {
        let by = By::Token(token.hash_beside(Some(request)));
        Self { purpose, by }
    }

    /// Shows a code; what cannot be one is wrong like any other.
    pub fn code(secret: &Secret, purpose: Purpose, email: &Email, code: &str) -> Self {
        Self::typed(secret, purpose, email, (code, None))
    }

    /// Shows a code beside the token of the request that asked for it.
    pub fn bound_code(
        secret: &Secret,
        purpose: Purpose,
        email: &Email,
        (code, request): (&str, &Token),
    ) -> Self {
        Self::typed(secret, purpose, email, (code, Some(request)))
    }

    fn typed(
        secret: &Secret,
        purpose: Purpose,
        email: &Email,
        typed: (&str, Option<&Token>),
    ) -> Self {
        let hashes = |keys| {
            let subject = subject(keys, purpose, email);
            let hash = code_hash(keys, purpose, &subject, typed);
            (subject, hash)
        };
        let (subjects, hashes) = secret.all().map(hashes).unzip();
        let by = By::Code { subjects, hashes };
        Self { purpose, by }
    }

    /// Counts the try at a code, before anything is told of it, or returns that there was none left. A link has no tries.
    pub async fn count_try(&self, connection: &Connection) -> Result<bool> {
        let By::Code { subjects, .. } = &self.by else {
            return Ok(true);
        };
        let statement = "update one_time_secrets
            set tries = tries + 1
            where purpose = $1
              and subject = any ($2)
              and used_at is null
              and code_expires_at > now()
              and tries < $3
            returning tries";
        let parameters: &[Parameter<'_>] = &[
            (&self.purpose.as_str(), Type::TEXT),
            (subjects, Type::TEXT_ARRAY),
            (&MOST_TRIES, Type::INT4),
        ];
        let counted = connection
            .settle("count try", statement, parameters)
            .await?;
        Ok(!counted.is_empty())
    }

    /// Tells whether it is a code that somebody typed.
    pub fn is_code(&self) -> bool {
        matches!(self.by, By::Code { .. })
    }

    /// Returns what [`REDEEMED`] and [`is_good`] take: the purpose, the hashes that it may have, and the subjects of a code.
    pub(crate) fn values(&self) -> (&'static str, Vec<&[u8]>, Option<&[String]>) {
        let purpose = self.purpose.as_str();
        match &self.by {
            By::Token(hash) => (purpose, vec![hash], None),
            By::Code { subjects, hashes } => {
                let hashes = hashes.iter().map(<[u8; 32]>::as_slice);
                (purpose, hashes.collect(), Some(subjects))
            }
        }
    }
}

/// Writes what marks a secret as used and returns its `user_id` and `address`, or nothing when it is not good. The parameters
/// are `$1` purpose, `$2` hashes, and `$3` subjects of a code, or null for a link.
///
/// It looks the secret up by what is indexed, and asks for the hash: nothing that depends on the secret takes longer.
pub(crate) const REDEEMED: &str = "secret as (
          update one_time_secrets
          set used_at = now()
          where purpose = $1
            and used_at is null
            and user_id is not null
            and (
              ($3 is null and secret_hash = any ($2) and expires_at > now())
              or (subject = any ($3) and code_hash = any ($2) and code_expires_at > now())
            )
          returning
            one_time_secrets.user_id,
            one_time_secrets.address
        )";

/// Writes what has to hold of a secret that is good, with the same three parameters from `first` on.
pub(crate) fn is_good(first: usize) -> String {
    let [purpose, hashes, subjects] = std::array::from_fn(|index| first + index);
    format!(
        "one_time_secrets.purpose = ${purpose}
            and one_time_secrets.used_at is null
            and (
              (
                ${subjects} is null
                and one_time_secrets.secret_hash = any (${hashes})
                and one_time_secrets.expires_at > now()
              )
              or (
                one_time_secrets.subject = any (${subjects})
                and one_time_secrets.code_hash = any (${hashes})
                and one_time_secrets.code_expires_at > now()
              )
            )"
    )
}
