//! Requests that may be sent again, because their answer was lost: done once, and answered alike each time.
//!
//! The key is stored by the statement of the change itself, so that it is there exactly when the change is. The second
//! of two requests at the same time waits for the first at the index of the keys, and is then answered like it.

use ring::hmac;
use tokio_postgres::{Row, types::Type};

use crate::{Connection, Constraint, Error, Result, connection::Parameter, row, secret::Secret};

/// One request with the key that its sender gave it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(crate) key: [u8; 32],
    pub(crate) request: [u8; 32],
    /// Never stored: secrets that the answer holds are derived from it, so that they can be made again.
    seed: hmac::Key,
}

impl Attempt {
    /// Names a request: by its key among those of `sender`, and by everything it asks (`target` and `body`).
    ///
    /// Only keyed hashes are kept, since a body may hold a password.
    pub fn new(secret: &Secret, sender: &str, key: &str, target: &str, body: &[u8]) -> Self {
        let hash = |purpose: &str, parts: [&[u8]; 2]| {
            let mut context = hmac::Context::with_key(&secret.idempotency);
            context.update(purpose.as_bytes());
            for part in parts {
                context.update(&part.len().to_be_bytes());
                context.update(part);
            }
            tag_bytes(context.sign())
        };
        let name = [sender.as_bytes(), key.as_bytes()];
        Self {
            key: hash("key", name),
            request: hash("request", [target.as_bytes(), body]),
            seed: hmac::Key::new(hmac::HMAC_SHA256, &hash("seed", name)),
        }
    }

    /// Returns secret bytes for something that the change makes: the same ones each time.
    pub(crate) fn derive(&self, name: &[u8]) -> [u8; 32] {
        tag_bytes(hmac::sign(&self.seed, name))
    }
}

fn tag_bytes(tag: hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// Returns the row of the change that was made for an attempt, or `None` when there was none.
///
/// Another request with the same key is a conflict.
pub(crate) async fn find(connection: &Connection, attempt: &Attempt) -> Result<Option<Row>> {
    let statement = format!(
        "select
          idempotency_keys.request = $2 as is_same,
          extract(epoch from now() - outcome.issued_at)::double precision as age,
          outcome.*
        from idempotency_keys
        cross join jsonb_to_record(idempotency_keys.outcome) as outcome ({})
        where idempotency_keys.key = $1",
        row::OUTCOME_COLUMNS
    );
    let parameters: &[Parameter<'_>] = &[
        (&attempt.key.as_slice(), Type::BYTEA),
        (&attempt.request.as_slice(), Type::BYTEA),
    ];
    let found = connection
        .row("find attempt", &statement, parameters)
        .await?;
    match found {
        Some(row) if !row::get::<bool>(&row, "is_same")? => {
            Err(Error::Conflict(Constraint::KeyReused))
        }
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_told_from_others_by_every_part() {
        let secret = Secret::parse(&Secret::generate().unwrap()).unwrap();
        let attempt = |sender, key, target, body: &str| {
            let Attempt { key, request, .. } =
                Attempt::new(&secret, sender, key, target, body.as_bytes());
            (key, request)
        };
        let first = attempt("1", "k", "POST /a", "{}");
        assert_eq!(first, attempt("1", "k", "POST /a", "{}"));
        for other in [
            attempt("2", "k", "POST /a", "{}"),
            attempt("1k", "", "POST /a", "{}"),
        ] {
            assert!(other.0 != first.0 && other.1 == first.1);
        }
        for other in [
            attempt("1", "k", "POST /b", "{}"),
            attempt("1", "k", "POST /a{", "}"),
        ] {
            assert!(other.0 == first.0 && other.1 != first.1);
        }
    }
}
