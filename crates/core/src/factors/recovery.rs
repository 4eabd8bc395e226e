//! Recovery codes: ten of 80 random bits each, for who has the app no more.
//!
//! What is stored is a hash of the code and its owner, and hangs on no secret of the deployment: a code has so many bits that
//! nobody finds it from the hash, and it is still good when that secret is lost.

use ring::digest;
use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, UserId};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Attempt, Author, Connection, Result,
    bytes::{base32, from_base32},
    connection::Parameter,
    idempotency::Material,
    mails::Mail,
};

/// How many there are.
const COUNT: usize = 10;
const LENGTH: usize = 10;
/// Without what stands between the groups.
const CHARACTERS: usize = 16;
const GROUP: usize = 4;
const LABEL: &[u8] = b"usher recovery code v1";

/// Recovery codes in plain text: they are shown once.
pub struct NewCodes {
    texts: Vec<Zeroizing<String>>,
    pub(super) hashes: Vec<[u8; 32]>,
    pub(super) nonce: Uuid,
}

impl NewCodes {
    /// Makes ten codes; those of an attempt are the same each time.
    pub fn generate(user: UserId, attempt: Option<&Attempt>) -> Result<Self> {
        Self::of(user, &Material::new(attempt)?)
    }

    pub(super) fn of(user: UserId, material: &Material<'_>) -> Result<Self> {
        let mut codes = Self {
            texts: Vec::new(),
            hashes: Vec::new(),
            nonce: material.nonce,
        };
        for number in 0..COUNT {
            let bytes = Zeroizing::new(material.bytes(&format!("recovery code {number}"))?);
            let mut code = Zeroizing::new([0; LENGTH]);
            code.copy_from_slice(&bytes[..LENGTH]);
            codes.hashes.push(hash_of(user, &*code));
            codes.texts.push(shown(&*code));
        }
        Ok(codes)
    }

    /// Returns the codes as their owner keeps them, such as `abcd-efgh-ijkl-mnop`.
    pub fn expose(&self) -> Vec<String> {
        self.texts.iter().map(|text| text.to_string()).collect()
    }

    pub(super) fn hashes(&self) -> Vec<&[u8]> {
        self.hashes.iter().map(<[u8; 32]>::as_slice).collect()
    }
}

/// Makes new recovery codes in place of the old ones, or returns `None` when the account has no second factor any more.
pub async fn renew(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
    (codes, attempt): (NewCodes, Option<&Attempt>),
    mail: &Mail,
) -> Result<Option<NewCodes>> {
    let change = "account as (
          select id
          from users
          where id = $1
            and cardinality(second_factors) > 0
            and is_active
            and deleted_at is null
          for no key update
        ),
        void as (
          delete from recovery_codes
          using account
          where recovery_codes.user_id = account.id
        ),
        codes as (
          insert into recovery_codes (
            user_id,
            code_hash
          )
          select account.id, code_hash
          from account
          cross join unnest($2) as code_hash
        ),
        change as (
          select
            account.id as entity_id,
            $3::uuid as nonce,
            now() as issued_at
          from account
        )";
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&codes.hashes(), Type::BYTEA_ARRAY),
        (&codes.nonce, Type::UUID),
    ];
    let event = Event::new(Action::RecoveryCodesRenew, Entity::User);
    let author = author.once(attempt).mailing(mail);
    let changed = connection
        .change_once("renew recovery codes", author, &event, change, parameters)
        .await?;
    changed
        .map(|changed| match attempt {
            Some(attempt) if changed.is_repeated => {
                NewCodes::of(user, &Material::of(attempt, &changed.row)?)
            }
            _ => Ok(codes),
        })
        .transpose()
}

/// Returns what is stored of a code, if a text is one, however it is spaced and whatever its case.
pub(super) fn hash(user: UserId, text: &str) -> Option<[u8; 32]> {
    let plain: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .filter(|character| !matches!(character, '-' | ' '))
            .map(|character| character.to_ascii_uppercase())
            .collect(),
    );
    if plain.len() != CHARACTERS {
        return None;
    }
    let bytes = Zeroizing::new(from_base32(&plain)?);
    Some(hash_of(user, &bytes))
}

fn hash_of(user: UserId, code: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(LABEL);
    context.update(&user.get().to_be_bytes());
    context.update(code);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn shown(code: &[u8]) -> Zeroizing<String> {
    let plain = Zeroizing::new(base32(code).to_ascii_lowercase());
    let mut text = Zeroizing::new(String::with_capacity(plain.len() + plain.len() / GROUP));
    for (place, character) in plain.chars().enumerate() {
        if place > 0 && place % GROUP == 0 {
            text.push('-');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> UserId {
        UserId::new(7)
    }

    #[test]
    fn a_code_is_read_as_it_was_shown_or_typed() {
        let codes = NewCodes::generate(ada(), None).unwrap();
        let texts = codes.expose();
        assert_eq!(texts.len(), COUNT);
        for (text, stored) in texts.iter().zip(&codes.hashes) {
            assert_eq!((text.len(), text.split('-').count()), (19, 4), "{text}");
            let typed = text.to_uppercase().replace('-', " ");
            for text in [text.as_str(), &typed, &text.replace('-', "")] {
                assert_eq!(hash(ada(), text).as_ref(), Some(stored), "{text}");
            }
            assert_ne!(hash(UserId::new(8), text).as_ref(), Some(stored));
        }
    }

    #[test]
    fn what_is_no_code_has_no_hash() {
        for text in [
            "",
            "123456",
            "abcd-efgh-ijkl-mno",
            "abcd-efgh-ijkl-mnop-q",
            "0189-efgh-ijkl-mnop",
            "äbcd-efgh-ijkl-mnop",
        ] {
            assert_eq!(hash(ada(), text), None, "{text}");
        }
    }
}
