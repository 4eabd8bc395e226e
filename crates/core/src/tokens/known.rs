//! Tokens that were found to be ours, so that their signature is not worked out anew for every request of a session.
//!
//! Only what a token says is kept, under a hash of the whole of it. Whether it holds now is for the database to say, each
//! time: nobody gets in for longer because a token is known.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ring::digest::{SHA256, digest};

use super::Presented;

/// So many tokens are kept at the most; then it begins anew.
const LIMIT: usize = 4096;

/// The name that a token is kept under.
pub(super) type Hash = [u8; 32];

/// The tokens, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Hash, Presented>>);

/// Returns the hash of a token.
pub(super) fn hash(token: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

impl Known {
    pub(super) fn find(&self, hash: &Hash) -> Option<Presented> {
        self.tokens().get(hash).copied()
    }

    pub(super) fn keep(&self, hash: Hash, presented: Presented) {
        let mut tokens = self.tokens();
        if tokens.len() >= LIMIT {
            tokens.clear();
        }
        tokens.insert(hash, presented);
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<Hash, Presented>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use usher_domain::{SessionId, UserId};
    use uuid::Uuid;

    use super::{super::Principal, *};

    #[test]
    fn tokens_are_kept_up_to_a_limit_and_told_apart() {
        let known = Known::default();
        let presented = |user| {
            let session = SessionId::new(Uuid::from_u128(9));
            let user = UserId::new(user);
            Presented::issued(Principal { user, session }, OffsetDateTime::UNIX_EPOCH)
        };
        let mut number = 0;
        for _ in 0..=LIMIT {
            number += 1;
            known.keep(hash(&number.to_string()), presented(number));
        }
        assert_eq!(known.tokens().len(), 1);
        let found = |token: &str| {
            let found = known.find(&hash(token));
            found.map(|presented| presented.principal.user.get())
        };
        assert_eq!(found(&number.to_string()), Some(number));
        assert_eq!(found("1"), None);
    }
}
