//! What goes before the operations on passkeys, by an authenticator of software.

use std::net::SocketAddr;

use serde_json::{Value, json};
use usher_tests::Authenticator;

use crate::{asks::Ask, writes::Write};

const OWN: &str = "/api/me/passkeys";
const SIGN_IN: &str = "/api/auth/passkey";

/// How many passkeys a user has.
const ADDED: &str =
    "select count(*) from passkeys join users on users.id = user_id where email = $1";
/// How many of them were used.
const USED: &str =
    "select count(last_used_at) from passkeys join users on users.id = user_id where email = $1";
/// How many of them are called otherwise.
const RENAMED: &str = "select count(*) from passkeys join users on users.id = user_id where email = $1 and passkeys.name = 'Renamed'";
/// Whether the one passkey is gone.
const REMOVED: &str =
    "select 1 - count(*) from passkeys join users on users.id = user_id where email = $1";

/// What there is before an operation on a passkey.
#[derive(Default)]
pub(crate) struct Scene {
    /// What adds the passkey.
    pub(crate) made: Value,
    /// What signs in with it, once it is there.
    pub(crate) answer: Value,
    /// Its path.
    pub(crate) path: String,
}

/// Lets an authenticator make a passkey for who has an access token; it is added when there `is_one`, and asked to sign in.
pub(crate) async fn scene(at: SocketAddr, token: &str, is_one: bool) -> Scene {
    let mut authenticator = Authenticator::default();
    let options = Ask::post(&format!("{OWN}/options"), json!({})).with_token(token);
    let options = options.to(at).await.expect(200);
    let made = json!({
        "ceremonyToken": options["ceremonyToken"],
        "credential": authenticator.create(&options),
        "name": "Phone",
    });
    if !is_one {
        return Scene {
            made,
            ..Scene::default()
        };
    }
    let passkey = Ask::post(OWN, made).with_token(token);
    let passkey = passkey.to(at).await.expect(201);
    let options = Ask::post(&format!("{SIGN_IN}/options"), json!({}));
    let options = options.to(at).await.expect(200);
    Scene {
        answer: json!({
            "ceremonyToken": options["ceremonyToken"],
            "credential": authenticator.get(&options),
        }),
        path: format!("{OWN}/{}", passkey["id"].as_str().unwrap_or_default()),
        ..Scene::default()
    }
}

/// Returns the statement that counts the effects of an operation.
pub(crate) fn effects(write: Write) -> &'static str {
    match write {
        Write::AddPasskey => ADDED,
        Write::SignInByPasskey => USED,
        Write::RenamePasskey => RENAMED,
        Write::RemovePasskey => REMOVED,
        other => panic!("{other:?} is about no passkey"),
    }
}
