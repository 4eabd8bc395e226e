//! The relying party of Web Authentication (level 3): puts the questions to authenticators and checks their answers.
//!
//! The checks are those of webauthn-rs: challenge, type, origin, hash of the relying party id, presence and verification of the
//! user, signature, backup flags and counter. What it leaves open is decided here: passkeys are discoverable, and no frame of a
//! foreign page takes part.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;
use usher_domain::User;
use uuid::Uuid;
use webauthn_rs::{
    Webauthn, WebauthnBuilder,
    prelude::{
        Credential as Kept, DiscoverableAuthentication, DiscoverableKey, ParsedAttestation,
        Passkey, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
        WebauthnError,
    },
};

use crate::{Error, Result};

/// The site that passkeys are made for: the host of its origin, and nothing below or above it.
#[derive(Debug)]
pub struct RelyingParty(Webauthn);

/// A question to an authenticator.
pub(crate) struct Question {
    /// What the browser is given, as `PublicKeyCredential.parse…OptionsFromJSON` takes it.
    pub(crate) options: Value,
    /// What the answer is checked against.
    pub(crate) state: Value,
}

/// A public key with what is to be kept of it.
pub(crate) struct Credential {
    /// What the authenticator calls it.
    pub(crate) id: Vec<u8>,
    /// All of it, as the library keeps it.
    pub(crate) kept: Value,
    /// How often it was used.
    pub(crate) sign_count: i64,
    /// Whether it may be copied to other devices.
    pub(crate) is_syncable: bool,
    /// Whether it has been.
    pub(crate) is_synced: bool,
}

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not right.
    Wrong,
    /// It is right, but its counter does not grow.
    Cloned,
}

/// What an authenticator answered a sign-in.
pub(crate) struct Assertion(PublicKeyCredential);

impl RelyingParty {
    /// Makes the relying party of an origin, or returns `None` when browsers know no passkeys there: they need a name and not
    /// an address, and `https` anywhere but on `localhost`.
    pub fn at(origin: &str) -> Option<Self> {
        let origin = Url::parse(origin).ok()?;
        let id = origin.domain()?;
        let is_local = id == "localhost" || id.ends_with(".localhost");
        if origin.scheme() != "https" && !is_local {
            return None;
        }
        let builder = WebauthnBuilder::new(id, &origin).ok()?;
        builder.rp_name(id).build().ok().map(Self)
    }

    /// Asks for a new passkey of a user, who has the `known` ones already.
    pub(crate) fn ask_for_new(
        &self,
        user: &User,
        handle: Uuid,
        known: Vec<Vec<u8>>,
    ) -> Result<Question> {
        let (asked, state) = self
            .0
            .start_passkey_registration(
                handle,
                user.email.as_str(),
                user.name.as_str(),
                Some(known),
            )
            .map_err(|_| Error::Crypto("asking for a passkey"))?;
        let mut question = question(&asked.public_key, &state)?;
        // Who signs in is not asked for a name: the passkey has to know it.
        let selection = &mut question.options["authenticatorSelection"];
        selection["residentKey"] = "required".into();
        selection["requireResidentKey"] = true.into();
        Ok(question)
    }

    /// Asks anybody for a passkey of this site.
    pub(crate) fn ask_for_any(&self) -> Result<Question> {
        let (asked, state) = self
            .0
            .start_discoverable_authentication()
            .map_err(|_| Error::Crypto("asking for a passkey"))?;
        question(&asked.public_key, &state)
    }

    /// Asks somebody for one of the passkeys that they have.
    pub(crate) fn ask_for_one_of(&self, known: &[Vec<u8>]) -> Result<Question> {
        let mut question = self.ask_for_any()?;
        let known = known.iter().map(|id| {
            let id = URL_SAFE_NO_PAD.encode(id);
            json!({ "type": "public-key", "id": id })
        });
        question.options["allowCredentials"] = known.collect();
        Ok(question)
    }

    /// Checks the answer of an authenticator that made a passkey.
    pub(crate) fn check_new(
        &self,
        state: Value,
        answer: &Value,
    ) -> std::result::Result<Credential, Refusal> {
        let mut answer = answer.clone();
        // Only hints, and browsers invent new ones.
        if let Some(response) = answer.get_mut("response").and_then(Value::as_object_mut) {
            response.remove("transports");
        }
        let answer: RegisterPublicKeyCredential = read(answer)?;
        let state: PasskeyRegistration = read(state)?;
        check_frame(&answer.response.client_data_json)?;
        if answer.type_ != "public-key" {
            return Err(Refusal::Wrong);
        }
        let made = self
            .0
            .finish_passkey_registration(&answer, &state)
            .map_err(|error| refusal(&error))?;
        kept(made)
    }

    /// Checks the answer of an authenticator that signed with a passkey which is kept.
    pub(crate) fn check_any(
        &self,
        state: Value,
        assertion: &Assertion,
        kept_before: Value,
    ) -> std::result::Result<Credential, Refusal> {
        let state: DiscoverableAuthentication = read(state)?;
        let mut passkey: Passkey = read(kept_before)?;
        check_frame(&assertion.0.response.client_data_json)?;
        if assertion.0.type_ != "public-key" {
            return Err(Refusal::Wrong);
        }
        let key = DiscoverableKey::from(&passkey);
        let used = self
            .0
            .finish_discoverable_authentication_v2(&assertion.0, state, &key)
            .map_err(|error| refusal(&error))?;
        passkey.update_credential(&used);
        kept(passkey)
    }
}

impl Assertion {
    /// Reads an answer; what is none is refused.
    pub(crate) fn read(answer: &Value) -> Option<Self> {
        read(answer.clone()).ok().map(Self)
    }

    /// Returns what the authenticator calls the passkey.
    pub(crate) fn credential_id(&self) -> &[u8] {
        &self.0.raw_id
    }

    /// Tells whether the authenticator says whom it takes the passkey for.
    pub(crate) fn has_handle(&self) -> bool {
        let handle = self.0.response.user_handle.as_deref();
        handle.is_some_and(|handle| !handle.is_empty())
    }

    /// Returns whom the authenticator takes the passkey for. Without that it is not one that was asked for.
    pub(crate) fn handle(&self) -> Option<Uuid> {
        let handle = self.0.response.user_handle.as_deref()?;
        Uuid::from_slice(handle).ok()
    }
}

fn question(options: &impl Serialize, state: &impl Serialize) -> Result<Question> {
    const FAILED: Error = Error::Crypto("writing a question to an authenticator");
    Ok(Question {
        options: serde_json::to_value(options).map_err(|_| FAILED)?,
        state: serde_json::to_value(state).map_err(|_| FAILED)?,
    })
}

/// A site that frames this one could lead people to sign in there (section 13.4.9); the library looks at this for new passkeys
/// alone.
fn check_frame(client_data: &[u8]) -> std::result::Result<(), Refusal> {
    let data: Value = serde_json::from_slice(client_data).map_err(|_| Refusal::Wrong)?;
    let is_framed = data.get("crossOrigin").is_some_and(|cross| cross != false);
    if is_framed || data.get("topOrigin").is_some() {
        return Err(Refusal::Wrong);
    }
    Ok(())
}

fn kept(passkey: Passkey) -> std::result::Result<Credential, Refusal> {
    let mut credential = Kept::from(passkey);
    // Which model an authenticator is was not asked for, and is nobody's business.
    credential.attestation = ParsedAttestation::default();
    Ok(Credential {
        id: credential.cred_id.clone(),
        sign_count: credential.counter.into(),
        is_syncable: credential.backup_eligible,
        is_synced: credential.backup_state,
        kept: serde_json::to_value(Passkey::from(credential)).map_err(|_| Refusal::Wrong)?,
    })
}

fn read<T: DeserializeOwned>(value: Value) -> std::result::Result<T, Refusal> {
    serde_json::from_value(value).map_err(|_| Refusal::Wrong)
}

fn refusal(error: &WebauthnError) -> Refusal {
    match error {
        WebauthnError::CredentialPossibleCompromise => Refusal::Cloned,
        _ => Refusal::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_know_passkeys_at_names_by_https_alone() {
        for good in [
            "https://id.example.com",
            "http://localhost:3000",
            "http://usher.localhost:3000",
        ] {
            assert!(RelyingParty::at(good).is_some(), "{good}");
        }
        for bad in [
            "http://id.example.com",
            "https://192.0.2.1",
            "http://[::1]",
            "",
            "x",
        ] {
            assert!(RelyingParty::at(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_frame_of_another_site_is_noticed() {
        let check = |text: &str| check_frame(text.as_bytes());
        assert_eq!(check(r#"{"crossOrigin":false}"#), Ok(()));
        assert_eq!(check("{}"), Ok(()));
        for framed in [
            r#"{"crossOrigin":true}"#,
            r#"{"crossOrigin":1}"#,
            r#"{"crossOrigin":false,"topOrigin":"https://evil.example"}"#,
            "[]x",
        ] {
            assert_eq!(check(framed), Err(Refusal::Wrong), "{framed}");
        }
    }
}
