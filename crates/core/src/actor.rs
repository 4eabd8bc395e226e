//! Who a request comes from, as the database knows them now.

use time::Duration;
use usher_domain::{ApiKeyId, Factors, Origin, Permissions, Proof, SessionId, User};

use crate::Author;

/// Somebody whose session or API key is alive, with what they may do now.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The user: the owner of the key, where it is one.
    pub user: User,
    /// What the roles of the user allow, and the scopes of the key beside.
    pub permissions: Permissions,
    /// The second factors of the account.
    pub factors: Factors,
    /// What the request was signed with.
    pub by: By,
}

/// What a request is signed with.
#[derive(Clone, Debug)]
pub enum By {
    /// A session, which somebody began with a proof of who they are.
    Session(Live),
    /// An API key, with which nobody proves anything.
    Key(KeyUse),
}

/// A session that is alive.
#[derive(Clone, Debug)]
pub struct Live {
    /// The session.
    pub id: SessionId,
    /// By what and when its user last proved who they are.
    pub proof: Proof,
    /// How long ago that was.
    pub proof_age: Duration,
}

/// An API key with the secret that was shown, of which only the hash is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse {
    /// The key.
    pub id: ApiKeyId,
    /// The SHA-256 of the secret.
    pub(crate) hash: [u8; 32],
}

impl Actor {
    /// Returns the actor as the author of a change, which is refused unless they may still make it.
    pub fn author<'a>(&'a self, origin: &'a Origin) -> Author<'a> {
        let author = match &self.by {
            By::Session(session) => Author::user(self.user.id, session.id, origin),
            By::Key(key) => Author::key(self.user.id, *key, origin),
        };
        author.checked_with(&self.user.roles)
    }

    /// Returns the session, unless it is a key that acts.
    pub fn session(&self) -> Option<SessionId> {
        match &self.by {
            By::Session(session) => Some(session.id),
            By::Key(_) => None,
        }
    }

    /// Returns the API key, if it is one that acts.
    pub fn key(&self) -> Option<ApiKeyId> {
        match &self.by {
            By::Session(_) => None,
            By::Key(key) => Some(key.id),
        }
    }
}
