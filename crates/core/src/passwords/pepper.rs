//! The pepper: a key that the database does not have, with which stored hashes are sealed.
//!
//! Whoever has a dump alone then has nothing to guess at. A sealed hash says whose key sealed it and is bound to its owner,
//! so that it means nothing in the row of somebody else:
//!
//! | text | bound to |
//! |---|---|
//! | `$argon2id$…` | nothing: it was stored without a pepper |
//! | `$usher-v1$address$KEY$SEALED` | the address: it was stored before the account had an id |
//! | `$usher-v1$user$KEY$SEALED` | the id of the user, from the first sign-in on |

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use usher_domain::{Email, User, UserId};

use crate::{
    Result,
    sealed::{self, Label, Unopened},
    secret::{ID_LENGTH, Secret, SecretKeys, shown},
};

const LABEL: Label = "usher password v1";
const SCHEME: &str = "$usher-v1$";
/// The longest PHC string that the column takes when it is sealed: 255 characters there. One of ours has 97.
const MAX_SEALED: usize = 145;

/// The keys of `USHER_PEPPER`. One whose date is to come opens, and seals nothing yet.
#[derive(Clone, Debug)]
pub struct Pepper(Secret);

impl Pepper {
    /// Reads a list of keys: each at least 32 bytes in base64.
    pub fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        Secret::parse(text).map(Self)
    }

    /// Returns a new key in the form that [`Pepper::parse`] reads.
    pub fn generate() -> Result<String> {
        Secret::generate()
    }

    /// Returns the ids of the keys that were followed by another one, as stored hashes name them.
    pub fn older(&self) -> impl Iterator<Item = String> {
        self.0.older().map(|keys| shown(keys.id))
    }

    /// Tells whether a key is listed, by its id as stored hashes name it.
    pub fn knows(&self, id: &str) -> bool {
        read_id(id).is_some_and(|id| self.0.find(id).is_some())
    }
}

/// Whom a hash is bound to.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// Who has an address: the account has no id yet.
    Address(&'a Email),
    /// A user.
    User(UserId),
}

impl Owner<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::User(_) => "user",
        }
    }

    fn bound(self) -> String {
        let kind = self.kind();
        match self {
            Self::Address(email) => format!("{kind} {email}"),
            Self::User(id) => format!("{kind} {id}"),
        }
    }
}

/// A stored hash that could be read.
pub(super) struct Opened {
    /// The PHC string.
    pub(super) phc: String,
    /// Whether it is to be stored in another way from now on.
    pub(super) is_stale: bool,
}

impl Opened {
    /// Tells whether it is too long to be sealed, as that of another program may be: then it has to be made anew.
    pub(super) fn is_too_long(&self) -> bool {
        self.is_stale && self.phc.len() > MAX_SEALED
    }
}

/// Seals a PHC string with the key that makes, or returns it as it is when there is none.
pub(super) fn seal(pepper: Option<&Pepper>, phc: String, owner: Owner<'_>) -> Result<String> {
    let Some(keys) = pepper.and_then(|pepper| pepper.0.due()) else {
        return Ok(phc);
    };
    seal_with(keys, phc, owner)
}

fn seal_with(keys: &SecretKeys, phc: String, owner: Owner<'_>) -> Result<String> {
    let sealed = sealed::seal_with(keys, LABEL, owner.bound().as_bytes(), phc.into_bytes())?;
    // The id stands before the rest in the open, so that a statement can count the rows of a key.
    let rest = sealed.get(ID_LENGTH..).unwrap_or_default();
    let (kind, id, rest) = (owner.kind(), shown(keys.id), URL_SAFE_NO_PAD.encode(rest));
    Ok(format!("{SCHEME}{kind}${id}${rest}"))
}

/// Opens what is stored for a user.
pub(super) fn open(
    pepper: Option<&Pepper>,
    stored: &str,
    user: &User,
) -> std::result::Result<Opened, Unopened> {
    let due = pepper.and_then(|pepper| pepper.0.due());
    let Some(Sealed { owner, id, bytes }) = Sealed::read(stored, user)? else {
        return Ok(Opened {
            phc: stored.to_owned(),
            is_stale: due.is_some(),
        });
    };
    let Some(Pepper(secret)) = pepper else {
        return Err(Unopened::UnknownSecret(shown(id)));
    };
    let text = sealed::open(secret, LABEL, owner.bound().as_bytes(), &bytes)?;
    // What a newer key sealed is left alone: the clock of another instance may be ahead.
    let is_of_older_key = secret.older().any(|keys| keys.id == id);
    Ok(Opened {
        phc: String::from_utf8(text).map_err(|_| Unopened::Broken)?,
        is_stale: due.is_some() && (is_of_older_key || matches!(owner, Owner::Address(_))),
    })
}

/// Binds a hash to the id of its owner that is bound to the address, for one that is to change. Any other stays as it is.
pub(super) fn rebind(pepper: Option<&Pepper>, stored: &str, user: &User) -> Result<Option<String>> {
    let (Some(pepper), Ok(Some(sealed))) = (pepper, Sealed::read(stored, user)) else {
        return Ok(None);
    };
    let (Owner::Address(_), Some(keys)) = (sealed.owner, pepper.0.find(sealed.id)) else {
        return Ok(None);
    };
    match open(Some(pepper), stored, user) {
        Ok(opened) => seal_with(keys, opened.phc, Owner::User(user.id)).map(Some),
        Err(_) => Ok(None),
    }
}

/// A sealed hash, taken apart.
struct Sealed<'a> {
    owner: Owner<'a>,
    id: [u8; ID_LENGTH],
    bytes: Vec<u8>,
}

impl<'a> Sealed<'a> {
    /// Takes a stored text apart, or returns `None` when it is not sealed.
    fn read(text: &str, user: &'a User) -> std::result::Result<Option<Self>, Unopened> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Ok(None);
        };
        let mut parts = rest.splitn(3, '$');
        let mut part = || parts.next().unwrap_or_default();
        let (kind, id, sealed) = (part(), part(), part());
        let owner = match kind {
            "address" => Owner::Address(&user.email),
            "user" => Owner::User(user.id),
            _ => return Err(Unopened::Broken),
        };
        let id = read_id(id).ok_or(Unopened::Broken)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed);
        let sealed = sealed.map_err(|_| Unopened::Broken)?;
        Ok(Some(Self {
            owner,
            id,
            bytes: [&id[..], &sealed].concat(),
        }))
    }
}

fn read_id(text: &str) -> Option<[u8; ID_LENGTH]> {
    let is_one = text.len() == 2 * ID_LENGTH && !text.starts_with('+');
    let number = u32::from_str_radix(text, 16).ok().filter(|_| is_one)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use usher_domain::{Name, RoleSet};

    use super::*;

    const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                       MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";

    fn user(id: i64, email: &str) -> User {
        User {
            id: UserId::new(id),
            name: Name::parse("Ada").unwrap(),
            email: Email::parse(email).unwrap(),
            roles: RoleSet::default(),
            is_active: true,
            avatar_url: None,
            version: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn pepper(list: &str) -> Pepper {
        Pepper::parse(list).unwrap()
    }

    fn key() -> String {
        Pepper::generate().unwrap()
    }

    #[test]
    fn a_hash_opens_in_the_row_of_its_owner_alone() {
        let pepper = pepper(&key());
        let (ada, eve) = (user(1, "ada@example.com"), user(2, "eve@example.com"));
        for (owner, is_stale) in [
            (Owner::Address(&ada.email), true),
            (Owner::User(ada.id), false),
        ] {
            let sealed = seal(Some(&pepper), PHC.to_owned(), owner).unwrap();
            assert!(!sealed.contains("argon2"), "{sealed}");
            let opened = open(Some(&pepper), &sealed, &ada).unwrap();
            assert_eq!((opened.phc.as_str(), opened.is_stale), (PHC, is_stale));
            assert!(open(Some(&pepper), &sealed, &eve).is_err());
            // Nor is the one kind taken for the other.
            let other = match owner {
                Owner::Address(_) => sealed.replace("$address$", "$user$"),
                Owner::User(_) => sealed.replace("$user$", "$address$"),
            };
            assert!(open(Some(&pepper), &other, &ada).is_err());
        }
    }

    #[test]
    fn a_hash_without_pepper_opens_and_is_to_be_sealed_when_there_is_one() {
        let ada = user(1, "ada@example.com");
        let opened = open(None, PHC, &ada).unwrap();
        assert!(opened.phc == PHC && !opened.is_stale);
        assert!(open(Some(&pepper(&key())), PHC, &ada).unwrap().is_stale);
    }

    #[test]
    fn a_key_to_come_opens_and_does_not_seal() {
        let (old, new) = (key(), key());
        let early = pepper(&format!("{new}@2999-01-01T00:00:00Z"));
        let ada = user(1, "ada@example.com");
        let owner = Owner::User(ada.id);
        assert_eq!(seal(Some(&early), PHC.to_owned(), owner).unwrap(), PHC);
        assert!(!open(Some(&early), PHC, &ada).unwrap().is_stale);
        let made = seal(Some(&pepper(&new)), PHC.to_owned(), owner).unwrap();
        assert!(!open(Some(&early), &made, &ada).unwrap().is_stale);
        let both = pepper(&format!("{new}@2026-01-01T00:00:00Z,{old}"));
        let older = seal(Some(&pepper(&old)), PHC.to_owned(), owner).unwrap();
        assert!(open(Some(&both), &older, &ada).unwrap().is_stale);
        assert!(!open(Some(&both), &made, &ada).unwrap().is_stale);
    }

    #[test]
    fn without_its_key_a_hash_does_not_open() {
        let ada = user(1, "ada@example.com");
        let sealed = seal(Some(&pepper(&key())), PHC.to_owned(), Owner::User(ada.id)).unwrap();
        for pepper in [None, Some(&pepper(&key()))] {
            let refused = open(pepper, &sealed, &ada).err();
            assert!(matches!(refused, Some(Unopened::UnknownSecret(_))));
        }
        let id = sealed.split('$').nth(3).unwrap();
        assert!(!pepper(&key()).knows(id) && !pepper(&key()).knows("nonsense"));
    }

    #[test]
    fn the_column_takes_what_is_sealed() {
        let (ada, pepper) = (user(1, "ada@example.com"), pepper(&key()));
        let length = |phc: usize| {
            let owners = [Owner::Address(&ada.email), Owner::User(ada.id)];
            let seal = |owner| seal(Some(&pepper), "x".repeat(phc), owner).unwrap().len();
            owners.map(seal)
        };
        assert_eq!(length(PHC.len()), [194, 191]);
        assert_eq!(length(MAX_SEALED)[1], 255);
        assert!(length(MAX_SEALED + 1)[1] > 255);
    }

    #[test]
    fn what_is_bent_or_cut_does_not_open() {
        let (ada, pepper) = (user(1, "ada@example.com"), pepper(&key()));
        let sealed = seal(Some(&pepper), PHC.to_owned(), Owner::User(ada.id)).unwrap();
        for length in SCHEME.len()..sealed.len() {
            assert!(open(Some(&pepper), &sealed[..length], &ada).is_err());
            let mut bent = sealed.clone().into_bytes();
            bent[length] = if bent[length] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            // An id in capitals is the same one.
            let is_same = bent.eq_ignore_ascii_case(&sealed) && length < sealed.len() - 100;
            assert!(
                is_same || open(Some(&pepper), &bent, &ada).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_hash_that_is_bound_to_an_address_is_bound_to_its_user_before_that_changes() {
        let (pepper, ada) = (pepper(&key()), user(1, "ada@example.com"));
        let moved = user(1, "lovelace@example.com");
        let sealed = seal(Some(&pepper), PHC.to_owned(), Owner::Address(&ada.email)).unwrap();
        assert!(open(Some(&pepper), &sealed, &moved).is_err());
        let bound = rebind(Some(&pepper), &sealed, &ada).unwrap().unwrap();
        assert_eq!(open(Some(&pepper), &bound, &moved).unwrap().phc, PHC);
        for stored in [PHC, &bound, "$usher-v1$address$0$"] {
            assert_eq!(rebind(Some(&pepper), stored, &ada).unwrap(), None);
        }
        assert_eq!(rebind(Some(&pepper), &sealed, &moved).unwrap(), None);
    }
}
