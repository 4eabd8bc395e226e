//! Access tokens: compact JWTs signed with ES256 (RFC 7515, RFC 9068), read as strictly as they are written.
//!
//! One algorithm, one type, our own keys: a header that says anything more is refused (RFC 8725). A token that is
//! valid says who somebody was five minutes ago at most; each request asks the database what time it is, and who they
//! are now.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use usher_domain::{Proof, SessionId, UserId};

use crate::{
    Error, KeyList, Result,
    bytes::{decode_base64, random},
};

mod known;

use known::Known;

/// How long an access token is valid.
pub const LIFETIME: Duration = Duration::minutes(5);
/// How far the clocks of two databases may be apart, of which one takes over from the other.
pub const LEEWAY: Duration = Duration::seconds(30);
/// How long others may keep the published keys.
pub const CACHING: Duration = Duration::minutes(5);
const MAX_LENGTH: usize = 4096;

/// Who an access token says the caller is; what the caller may do now is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

/// An access token of ours. Whether it holds now is for the database to say, whose clock is the same for all instances.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// Who the token says the caller is.
    pub principal: Principal,
    /// From when on it holds.
    pub(crate) from: OffsetDateTime,
    /// When it holds no more.
    pub(crate) until: OffsetDateTime,
}

impl Presented {
    /// Returns what a token says that is issued at this time: for whoever asks from within, without one.
    pub fn issued(principal: Principal, at: OffsetDateTime) -> Self {
        Self {
            principal,
            from: at - LEEWAY,
            until: at + LIFETIME + LEEWAY,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// RFC 9068, section 2.2; `sid` as in `OpenID` Connect Front-Channel Logout.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
    auth_time: i64,
    amr: Vec<String>,
}

/// The keys that sign access tokens: one signs, all are accepted and published (see [`KeyList`]).
#[derive(Clone, Debug)]
pub struct SigningKeys(Arc<KeyList<SigningKey>>);

#[derive(Debug)]
struct SigningKey {
    id: String,
    pair: EcdsaKeyPair,
    coordinates: [String; 2],
}

impl SigningKeys {
    /// Reads a list of keys: each PKCS #8 in base64.
    pub fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let list = KeyList::parse(text, SigningKey::parse)?;
        Ok(Self(Arc::new(list)))
    }

    /// Returns a new key in the form that [`SigningKeys::parse`] reads.
    pub fn generate() -> Result<String> {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        let document = document.map_err(|_| Error::Crypto("making a signing key"))?;
        Ok(URL_SAFE_NO_PAD.encode(document.as_ref()))
    }

    /// Returns the public halves as a JSON Web Key Set (RFC 7517): the key that signs at a time, then those that will or
    /// did, the latest first.
    pub fn public(&self, now: OffsetDateTime) -> Value {
        let keys: Vec<_> = self.0.from_current(now).map(SigningKey::public).collect();
        json!({ "keys": keys })
    }

    fn find(&self, id: &str) -> Option<&SigningKey> {
        self.0.keys().find(|key| key.id == id)
    }
}

impl SigningKey {
    fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        const UNREADABLE: &str =
            "holds no P-256 key in PKCS #8 and base64; make one with `cargo usher keys`";
        let document = decode_base64(text).ok_or(UNREADABLE)?;
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &document, &SystemRandom::new())
            .map_err(|_| UNREADABLE)?;
        // SEC 1, section 2.3.3: an uncompressed point is 4, x and y.
        let point = pair.public_key().as_ref();
        let (x, y) = point
            .get(1..)
            .and_then(|rest| rest.split_at_checked(32))
            .ok_or(UNREADABLE)?;
        let coordinates = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        Ok(Self {
            id: thumbprint(&coordinates),
            pair,
            coordinates,
        })
    }

    fn public(&self) -> Value {
        let [x, y] = &self.coordinates;
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.id, "use": "sig", "alg": "ES256" })
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key =
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, self.pair.public_key());
        key.verify(message, signature).is_ok()
    }
}

/// RFC 7638, section 3: the members that make the key, in the order of their names.
fn thumbprint([x, y]: &[String; 2]) -> String {
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// Makes and checks access tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    keys: SigningKeys,
    issuer: Arc<str>,
    audience: Arc<str>,
    known: Arc<Known>,
}

impl Tokens {
    /// Makes tokens that are signed with these keys in the name of `issuer`, and are for `audience`.
    pub fn new(keys: SigningKeys, issuer: &str, audience: &str) -> Self {
        Self {
            keys,
            issuer: issuer.into(),
            audience: audience.into(),
            known: Arc::default(),
        }
    }

    /// Returns the keys.
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Makes a token for a session whose user was proved so. It is signed with the key of `now`, the time that the database gave,
    /// so that all instances change to the next one together.
    pub fn issue(
        &self,
        principal: Principal,
        proof: &Proof,
        now: OffsetDateTime,
    ) -> Result<String> {
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: self.audience.to_string(),
            sub: principal.user.to_string(),
            sid: principal.session.to_string(),
            jti: URL_SAFE_NO_PAD.encode(random::<16>()?),
            iat: now.unix_timestamp(),
            exp: (now + LIFETIME).unix_timestamp(),
            auth_time: proof.at.unix_timestamp(),
            amr: proof.methods.references(),
        };
        Self::sign(self.keys.0.current(now), &claims)
    }

    fn sign(key: &SigningKey, claims: &Claims) -> Result<String> {
        let fails = || Error::Crypto("signing an access token");
        let header = Header {
            alg: "ES256".to_owned(),
            typ: "at+jwt".to_owned(),
            kid: key.id.clone(),
        };
        let header = serde_json::to_vec(&header).map_err(|_| fails())?;
        let claims = serde_json::to_vec(claims).map_err(|_| fails())?;
        let mut token = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = key
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| fails())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Ok(token)
    }

    /// Returns what a token says, or `None` when it is none of ours for any reason at all.
    pub fn verify(&self, token: &str) -> Option<Presented> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let hash = known::hash(token);
        if let Some(presented) = self.known.find(&hash) {
            return Some(presented);
        }
        let presented = self.read(token)?;
        self.known.keep(hash, presented);
        Some(presented)
    }

    fn read(&self, token: &str) -> Option<Presented> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Header = decode(header)?;
        if header.alg != "ES256" || header.typ != "at+jwt" {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self
            .keys
            .find(&header.kid)?
            .verify(message.as_bytes(), &signature)
        {
            return None;
        }
        self.accept(&decode(claims)?)
    }

    fn accept(&self, claims: &Claims) -> Option<Presented> {
        let is_ours = claims.iss == *self.issuer && claims.aud == *self.audience;
        let is_short = claims.exp <= claims.iat.checked_add(LIFETIME.whole_seconds())?;
        if !is_ours || !is_short {
            return None;
        }
        let leeway = LEEWAY.whole_seconds();
        let principal = Principal {
            user: UserId::parse(&claims.sub).ok()?,
            session: SessionId::parse(&claims.sid).ok()?,
        };
        Some(Presented {
            principal,
            from: time_of(claims.iat.checked_sub(leeway)?)?,
            until: time_of(claims.exp.checked_add(leeway)?)?,
        })
    }
}

fn time_of(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
