//! An authenticator of software, which does as it is told and can be told wrong things.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const SYNCABLE: u8 = 0x08;
const SYNCED: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;

/// An authenticator with one passkey (ES256), which it keeps together with the user that it is for.
pub struct Authenticator {
    /// The origin that the browser says it is at.
    pub origin: String,
    /// The relying party that it answers.
    pub relying_party: String,
    /// Whether it verifies its user.
    pub verifies: bool,
    /// Whether the browser says that it is in a frame of another site.
    pub is_framed: bool,
    /// How often it has signed; one that does not count stays at 0.
    pub counter: u32,
    /// By how much it counts on each time.
    pub step: u32,
    /// Whether its passkeys are copied to other devices.
    pub syncs: bool,
    /// What it calls its passkey.
    pub credential: Vec<u8>,
    /// The user that the passkey is for, as it was told.
    pub handle: Vec<u8>,
    key: EcdsaKeyPair,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self::at("https://id.example.com")
    }
}

impl Authenticator {
    /// Makes one in a browser at an origin.
    pub fn at(origin: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let mut credential = vec![0; 32];
        random.fill(&mut credential).unwrap();
        let host = origin.split("://").nth(1).unwrap();
        Self {
            origin: origin.to_owned(),
            relying_party: host.split(':').next().unwrap().to_owned(),
            verifies: true,
            is_framed: false,
            counter: 0,
            step: 0,
            syncs: true,
            credential,
            handle: Vec::new(),
            key,
        }
    }

    /// Makes a passkey, as `navigator.credentials.create` does.
    pub fn create(&mut self, options: &Value) -> Value {
        let options = &options["publicKey"];
        self.handle = decode(&options["user"]["id"]);
        let client = self.client_data("webauthn.create", &options["challenge"]);
        let mut data = self.data(HAS_CREDENTIAL);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.credential.len()).unwrap().to_be_bytes());
        data.extend(&self.credential);
        // A COSE key on P-256 (RFC 9053, section 7.1): the point without its first byte is x and y.
        let point = self.key.public_key().as_ref();
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(data);
        self.answer(&json!({
            "clientDataJSON": encode(&client),
            "attestationObject": encode(&object),
            "transports": ["internal", "a-new-one"],
        }))
    }

    /// Signs a challenge, as `navigator.credentials.get` does.
    pub fn get(&mut self, options: &Value) -> Value {
        self.counter += self.step;
        let client = self.client_data("webauthn.get", &options["publicKey"]["challenge"]);
        let data = self.data(0);
        let signed = [&data, digest(&SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        self.answer(&json!({
            "clientDataJSON": encode(&client),
            "authenticatorData": encode(&data),
            "signature": encode(signature.as_ref()),
            "userHandle": encode(&self.handle),
        }))
    }

    fn answer(&self, response: &Value) -> Value {
        json!({
            "id": encode(&self.credential),
            "rawId": encode(&self.credential),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": self.is_framed,
        });
        data.to_string().into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let mut flags = USER_PRESENT | more;
        if self.verifies {
            flags |= USER_VERIFIED;
        }
        if self.syncs {
            flags |= SYNCABLE | SYNCED;
        }
        let mut data = digest(&SHA256, self.relying_party.as_bytes())
            .as_ref()
            .to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}
