//! Requests that may be sent again, because their answer was lost: done once, and answered alike each time.
//!
//! The key is stored by the statement of the change itself, so that it is there exactly when the change is. The second
//! of two requests at the same time waits for the first at the index of the keys, and is then answered like it.

use ring::hmac;
use tokio_postgres::{Row, types::Type};
use uuid::{Builder, Uuid};

use crate::{
    Connection, Constraint, Error, Result,
    bytes::random,
    connection::Parameter,
    row,
    secret::{ID_LENGTH, Secret},
};

/// One request with the key that its sender gave it.
///
/// While there are several secrets the key is stored under each of them, so that instances which list one of them at least find
/// what another one did. Their hashes are in one order everywhere, in which the rows are locked.
#[derive(Clone, Debug)]
pub struct Attempt {
    keys: Vec<[u8; 32]>,
    /// What is asked, as each secret has it; the first one is stored.
    requests: Vec<[u8; 32]>,
    seeds: Vec<Seed>,
}

/// What secrets that the answer holds are derived from, so that they can be made again. It is never stored.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    /// The id of the secret that it is of.
    pub(crate) secret: [u8; ID_LENGTH],
    key: hmac::Key,
}

impl Seed {
    /// Returns secret bytes for something that the change makes: the same ones each time.
    pub(crate) fn derive(&self, name: &[u8]) -> [u8; 32] {
        tag_bytes(hmac::sign(&self.key, name))
    }
}

impl Attempt {
    /// Names a request: by its key among those of `sender`, and by everything it asks (`target` and `body`).
    ///
    /// Only keyed hashes are kept, since a body may hold a password.
    pub fn new(secret: &Secret, sender: &str, key: &str, target: &str, body: &[u8]) -> Self {
        let name = [sender.as_bytes(), key.as_bytes()];
        let mut attempt = Self {
            keys: Vec::new(),
            requests: Vec::new(),
            seeds: Vec::new(),
        };
        for keys in secret.all() {
            let hash = |purpose, parts| hash(&keys.idempotency, purpose, parts);
            attempt.keys.push(hash("key", name));
            attempt
                .requests
                .push(hash("request", [target.as_bytes(), body]));
            attempt.seeds.push(Seed {
                secret: keys.id,
                key: hmac::Key::new(hmac::HMAC_SHA256, &hash("seed", name)),
            });
        }
        attempt.keys.sort_unstable();
        attempt
    }

    /// Returns what is stored of the key: a row for each.
    pub(crate) fn keys(&self) -> Vec<&[u8]> {
        self.keys.iter().map(<[u8; 32]>::as_slice).collect()
    }

    /// Returns what is stored of the request.
    pub(crate) fn request(&self) -> Option<&[u8]> {
        self.requests.first().map(<[u8; 32]>::as_slice)
    }

    /// Returns what the change derives its secrets from when it is made now.
    pub(crate) fn seed(&self) -> Option<&Seed> {
        self.seeds.first()
    }

    /// Returns what the change that was found derived its secrets from.
    pub(crate) fn seed_of(&self, found: &Row) -> Result<&Seed> {
        let place: Option<i32> = row::get(found, "place")?;
        let index = place.and_then(|place| usize::try_from(place - 1).ok());
        let seed = index.and_then(|index| self.seeds.get(index));
        seed.ok_or_else(|| Error::corrupt("request", "it is of no secret that is listed"))
    }
}

/// What the secrets of an answer are made of. Those of an attempt are derived from it and from a random number that is stored
/// with its outcome: they can be made again, and never come back with the same key another day.
pub(crate) struct Material<'a> {
    seed: Option<&'a Seed>,
    /// The random number; the change returns it as `nonce`.
    pub(crate) nonce: Uuid,
}

impl<'a> Material<'a> {
    /// Returns what a change that is made now uses.
    pub(crate) fn new(attempt: Option<&'a Attempt>) -> Result<Self> {
        Ok(Self {
            seed: attempt.and_then(Attempt::seed),
            nonce: Builder::from_random_bytes(random()?).into_uuid(),
        })
    }

    /// Returns what the change used that was found.
    pub(crate) fn of(attempt: &'a Attempt, found: &Row) -> Result<Self> {
        // Another change has none: the account was in another state then.
        let nonce: Option<Uuid> = row::get(found, "nonce")?;
        Ok(Self {
            seed: Some(attempt.seed_of(found)?),
            nonce: nonce.ok_or(Error::Conflict(Constraint::KeyReused))?,
        })
    }

    /// Returns the bytes of one secret.
    pub(crate) fn bytes(&self, name: &str) -> Result<[u8; 32]> {
        match self.seed {
            Some(seed) => Ok(seed.derive(&[self.nonce.as_bytes(), name.as_bytes()].concat())),
            None => random(),
        }
    }
}

fn hash(key: &hmac::Key, purpose: &str, parts: [&[u8]; 2]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    context.update(purpose.as_bytes());
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    tag_bytes(context.sign())
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
          array_position($2, idempotency_keys.request) as place,
          extract(epoch from now() - outcome.issued_at)::double precision as age,
          outcome.*
        from idempotency_keys
        cross join jsonb_to_record(idempotency_keys.outcome) as outcome ({})
        where idempotency_keys.key = any ($1)
        limit 1",
        row::OUTCOME_COLUMNS
    );
    let keys = attempt.keys();
    let requests: Vec<_> = attempt.requests.iter().map(<[u8; 32]>::as_slice).collect();
    let parameters: &[Parameter<'_>] =
        &[(&keys, Type::BYTEA_ARRAY), (&requests, Type::BYTEA_ARRAY)];
    let found = connection
        .row("find attempt", &statement, parameters)
        .await?;
    match found {
        Some(row) if row::get::<Option<i32>>(&row, "place")?.is_none() => {
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
            let Attempt { keys, requests, .. } =
                Attempt::new(&secret, sender, key, target, body.as_bytes());
            (keys, requests)
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

    #[test]
    fn instances_that_share_a_secret_share_a_key_in_the_same_order() {
        let [old, new] = [(); 2].map(|()| Secret::generate().unwrap());
        let attempt = |list: &str| {
            let secret = Secret::parse(list).unwrap();
            Attempt::new(&secret, "1", "k", "POST /a", b"{}")
        };
        let stages = [
            old.clone(),
            format!("{old},{new}"),
            format!("{new},{old}"),
            new.clone(),
        ];
        for pair in stages.windows(2) {
            let [before, after] = [&pair[0], &pair[1]].map(|list| attempt(list));
            assert!(after.keys.iter().any(|key| before.keys.contains(key)));
            assert!(after.requests.contains(&before.requests[0]));
        }
        assert_eq!(attempt(&stages[1]).keys, attempt(&stages[2]).keys);
    }
}
