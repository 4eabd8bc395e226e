//! Access tokens of somebody who knows the public key alone.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use usher_tests::{PASSWORD, TestApp};

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns all that somebody may take for the secret of an HMAC.
fn secrets(key: &Value, published: &str) -> Vec<Vec<u8>> {
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let flat = [part("x"), part("y")].concat();
    let point = [&[4][..], &flat].concat();
    // SubjectPublicKeyInfo of a key on P-256 (RFC 5480).
    let mut document = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00".to_vec();
    document.extend(&point);
    let text = STANDARD.encode(&document);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----",
        &text[..64],
        &text[64..]
    );
    vec![
        Vec::new(),
        b"\0".to_vec(),
        b"secret".to_vec(),
        flat,
        point,
        document,
        text.into_bytes(),
        format!("{pem}\n").into_bytes(),
        pem.into_bytes(),
        key.to_string().into_bytes(),
        published.as_bytes().to_vec(),
        key["kid"].as_str().unwrap().as_bytes().to_vec(),
    ]
}

#[tokio::test]
async fn attack_37_a_token_that_names_its_own_algorithm_or_key_is_refused() {
    let t = TestApp::start().await;
    let session = t
        .anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    let token = session["accessToken"].as_str().unwrap();
    let (message, _) = token.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let published = t.anonymous().get("/api/auth/jwks").await;
    let key = published.expect(200)["keys"][0].clone();
    let with = |changes: Value| {
        let mut header = header.clone();
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        format!("{}.{claims}", encode(header.to_string()))
    };
    let mut forged = Vec::new();
    for name in [
        "none", "None", "NONE", "nOnE", "", "HS256", "RS256", "PS256", "ES384", "EdDSA", "es256",
    ] {
        let message = with(json!({ "alg": name }));
        let (_, good) = token.rsplit_once('.').unwrap();
        forged.extend(["", "AA", good].map(|signature| format!("{message}.{signature}")));
        forged.push(message);
    }
    for (name, algorithm) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
        ("ES256", hmac::HMAC_SHA256),
    ] {
        for secret in secrets(&key, published.text()) {
            let by = hmac::Key::new(algorithm, &secret);
            for kid in [
                &key["kid"],
                &json!("../../../dev/null"),
                &json!("' or 1=1 --"),
                &Value::Null,
            ] {
                let message = with(json!({ "alg": name, "kid": kid }));
                forged.push(format!(
                    "{message}.{}",
                    encode(hmac::sign(&by, message.as_bytes()))
                ));
            }
        }
    }
    let random = SystemRandom::new();
    let own = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let own =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, own.as_ref(), &random).unwrap();
    let point = own.public_key().as_ref();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]), "kid": "mine" });
    for changes in [
        json!({}),
        json!({ "jwk": jwk }),
        json!({ "jwk": jwk, "kid": "mine" }),
        json!({ "jku": "https://evil.example/jwks.json" }),
        json!({ "jku": "https://evil.example/jwks.json", "kid": "mine" }),
        json!({ "x5u": "https://evil.example/x.pem" }),
        json!({ "x5c": [STANDARD.encode(point)] }),
        json!({ "x5t": "AA" }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "crit": [] }),
        json!({ "zip": "DEF" }),
        json!({ "cty": "JWT" }),
        json!({ "kid": jwk }),
        json!({ "typ": "JWT" }),
    ] {
        let message = with(changes);
        let signature = own.sign(&random, message.as_bytes()).unwrap();
        forged.push(format!("{message}.{}", encode(signature)));
    }
    // Signatures that a careless verifier takes for any message: zero, the order of the curve, and none.
    let order = b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    for signature in [
        vec![0; 64],
        [&order[..], order].concat(),
        vec![0; 63],
        vec![0; 65],
        vec![0xff; 64],
        vec![0x30, 6, 2, 1, 0, 2, 1, 0],
    ] {
        forged.push(format!("{message}.{}", encode(signature)));
    }
    for token in &forged {
        let answer = t.anonymous().with_token(token).get("/api/me").await;
        assert_eq!(answer.problem(401), "unauthenticated", "{token}");
    }
    t.anonymous()
        .with_token(token)
        .get("/api/me")
        .await
        .expect(200);
    crate::operations::enough(forged.len(), 250);
}
