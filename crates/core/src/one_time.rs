//! One-time secrets: the links and codes of mails.
//!
//! Of each purpose there is one secret for an address: a new one takes the place of the older one. A link holds 256 random
//! bits, of which only the hash is kept. A code is short, so it has few tries, and each is counted and committed before it is
//! looked at. A secret is redeemed by the statement of the change that it allows, which marks it as used: of several at once,
//! one gets there.
//!
//! Whom a secret is for, and what a code is, are hashed with `USHER_SECRET`: what was made with an older one of the list is found
//! by its own hashes, and a new secret takes its place, too.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use tokio_postgres::types::Type;
use usher_domain::{Email, Factors, Name, Purpose, UserId};
use zeroize::Zeroizing;

use crate::{
    Connection, Error, Result,
    bytes::random,
    connection::Parameter,
    idempotency::Seed,
    row,
    secret::{Secret, SecretKeys},
};

mod issue;
mod redeem;

pub use redeem::Shown;

pub(crate) use issue::issued;
pub(crate) use redeem::{REDEEMED, is_good};

use issue::NewRow;

/// How often a code may be tried.
const MOST_TRIES: i32 = 5;
const CODE_DIGITS: usize = 8;
const CODES: u64 = 100_000_000;

/// A secret in plain text, for whoever is to get it.
pub struct OneTime {
    /// What the link holds.
    pub token: Token,
    /// What may be typed instead.
    pub code: Option<Zeroizing<String>>,
    pub(crate) row: NewRow,
}

impl OneTime {
    /// Makes a secret for whoever has an address.
    pub fn generate(secret: &Secret, purpose: Purpose, email: &Email) -> Result<Self> {
        Self::make(secret, purpose, email, None)
    }

    /// Makes a secret that is good beside the token of a request alone, which the device that asks keeps: neither the link
    /// nor the code opens anything without it.
    pub fn bound(
        secret: &Secret,
        purpose: Purpose,
        email: &Email,
        request: &Token,
    ) -> Result<Self> {
        Self::make(secret, purpose, email, Some(request))
    }

    fn make(
        secret: &Secret,
        purpose: Purpose,
        email: &Email,
        request: Option<&Token>,
    ) -> Result<Self> {
        let token = Token::generate()?;
        let mut subjects = secret.all().map(|keys| subject(keys, purpose, email));
        let subject = subjects.next().unwrap_or_default();
        let code = match purpose.code_minutes() {
            Some(_) => Some(random_code()?),
            None => None,
        };
        let code_hash = code
            .as_ref()
            .map(|code| code_hash(secret.current(), purpose, &subject, (code, request)));
        Ok(Self {
            row: NewRow {
                purpose,
                older_subjects: subjects.collect(),
                subject,
                secret_hash: token.hash_beside(request),
                code_hash,
            },
            token,
            code,
        })
    }
}

/// The secret of a link.
#[derive(Clone)]
pub struct Token(Zeroizing<[u8; 32]>);

impl Token {
    /// Makes a token.
    pub fn generate() -> Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Makes a token.
    pub(crate) fn random() -> Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Makes the token of an attempt, the same one each time.
    pub(crate) fn of_attempt(seed: &Seed, name: &[u8]) -> Self {
        Self(Zeroizing::new(seed.derive(name)))
    }

    /// Reads a token; what it is good for is for the database to say.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// Returns the token as its holder gets it.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(*self.0)
    }

    /// Returns what is stored of it: its SHA-256.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash_beside(None)
    }

    /// Returns the SHA-256 of the token and that of a request, which are always of the same length.
    fn hash_beside(&self, request: Option<&Self>) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&*self.0);
        if let Some(request) = request {
            context.update(&*request.0);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

/// Whom a secret is good for.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The user.
    pub user: UserId,
    /// What the user is called.
    pub name: Name,
    /// The address that it was sent to.
    pub email: Email,
    /// The second factors of the account.
    pub factors: Factors,
}

/// Returns whom the secret of a link is good for, without using it: what is to be written to them needs the address.
pub async fn find_holder(
    connection: &Connection,
    purpose: Purpose,
    token: &Token,
) -> Result<Option<Holder>> {
    let statement = "select
          users.id as user_id,
          users.name,
          users.email,
          users.second_factors
        from one_time_secrets
        join users on users.id = one_time_secrets.user_id
        where one_time_secrets.secret_hash = $2
          and one_time_secrets.purpose = $1
          and one_time_secrets.used_at is null
          and one_time_secrets.expires_at > now()
          and users.email = one_time_secrets.address
          and users.deleted_at is null";
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[
        (&purpose.as_str(), Type::TEXT),
        (&hash.as_slice(), Type::BYTEA),
    ];
    let row = connection.row("find holder", statement, parameters).await?;
    row.map(|row| {
        Ok(Holder {
            user: UserId::new(row::get(&row, "user_id")?),
            name: row::parse(&row, "name", Name::parse)?,
            email: row::parse(&row, "email", Email::parse)?,
            factors: row::factors(&row)?,
        })
    })
    .transpose()
}

/// Returns who a secret is for without saying it.
fn subject(keys: &SecretKeys, purpose: Purpose, email: &Email) -> String {
    let text = format!("{}|{email}", purpose.as_str());
    URL_SAFE_NO_PAD.encode(hmac::sign(&keys.subject, text.as_bytes()))
}

/// The hash of a request has no `|` and is always as long, so that no code can stand for another one with a request.
fn code_hash(
    keys: &SecretKeys,
    purpose: Purpose,
    subject: &str,
    (code, request): (&str, Option<&Token>),
) -> [u8; 32] {
    let mut text = Zeroizing::new(format!("{}|{subject}|{code}", purpose.as_str()));
    if let Some(request) = request {
        text.push('|');
        text.push_str(&URL_SAFE_NO_PAD.encode(request.hash()));
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(hmac::sign(&keys.code, text.as_bytes()).as_ref());
    hash
}

/// Returns eight random digits, each equally likely.
fn random_code() -> Result<Zeroizing<String>> {
    for _ in 0..64 {
        let number = u64::from_be_bytes(random()?);
        // The last, incomplete round would make some codes likelier.
        if number < u64::MAX - u64::MAX % CODES {
            return Ok(Zeroizing::new(format!(
                "{:0width$}",
                number % CODES,
                width = CODE_DIGITS
            )));
        }
    }
    Err(Error::Crypto("the random source"))
}

#[cfg(test)]
mod tests;
