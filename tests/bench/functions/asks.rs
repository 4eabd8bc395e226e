//! What each function is asked: what is usual, or what is refused after the same work where the usual could be done only once.

use serde_json::{Value, json};
use usher_tests::{PASSWORD, Person};

use crate::stage::credentials;

/// No session has it.
const SESSION: &str = "/api/me/sessions/ffffffff-ffff-ffff-ffff-ffffffffffff";

/// No passkey has it.
const PASSKEY: &str = "/api/me/passkeys/ffffffff-ffff-ffff-ffff-ffffffffffff";

/// What somebody who is signed in sends.
pub(crate) enum Ask {
    Get(String),
    Delete(&'static str),
    Post(&'static str, Value),
    PostAs(Person, &'static str, Value),
}

/// Returns what somebody without an account posts, and the status of the answer.
pub(crate) fn anonymous(path: &str, refresh: &str) -> Option<(Value, u16)> {
    let token = "A".repeat(43);
    Some(match path {
        "/api/auth/login" => (credentials(), 200),
        "/api/auth/refresh" => (json!({ "refreshToken": refresh }), 200),
        "/api/auth/logout" => (json!({ "refreshToken": refresh }), 204),
        "/api/auth/register" => {
            let new = json!({ "name": "New", "email": "new@example.org", "password": PASSWORD });
            (new, 202)
        }
        "/api/auth/resend" | "/api/auth/password/forgot" | "/api/auth/link" => {
            (json!({ "email": Person::Member.email() }), 202)
        }
        "/api/auth/verify-email"
        | "/api/auth/email/confirm"
        | "/api/auth/email/cancel"
        | "/api/auth/restore" => (json!({ "token": token }), 400),
        "/api/auth/password/reset" | "/api/auth/invitation" => {
            (json!({ "token": token, "password": PASSWORD }), 400)
        }
        "/api/auth/link/confirm" => (json!({ "token": token, "requestToken": token }), 400),
        "/api/auth/passkey/options" => (json!({}), 200),
        // A passkey that is right needs an authenticator.
        "/api/auth/passkey" => (json!({ "ceremonyToken": token, "credential": {} }), 401),
        "/api/auth/challenge" => (json!({ "challengeToken": token, "code": "000000" }), 401),
        _ => return None,
    })
}

/// Returns what an administrator sends, and the status of the answer.
pub(crate) fn signed_in(path: &'static str) -> (Ask, u16) {
    let wrong = "a wrong one";
    match path {
        "/api/auth/password" => {
            let form = json!({ "currentPassword": wrong, "newPassword": PASSWORD });
            (Ask::Post(path, form), 403)
        }
        "/api/me/email" => {
            let form = json!({ "newEmail": "new@example.org", "currentPassword": wrong });
            (Ask::Post(path, form), 403)
        }
        "/api/auth/reauthenticate" => (Ask::Post(path, json!({ "password": PASSWORD })), 200),
        "/api/me/sessions/{session_id}" => (Ask::Delete(SESSION), 404),
        "/api/invitations/{invitation_id}" => (Ask::Delete("/api/invitations/999"), 404),
        "/api/invitations/{invitation_id}/resend" => {
            (Ask::Post("/api/invitations/999/resend", json!({})), 404)
        }
        "/api/me/factors/totp/confirm" => (Ask::Post(path, json!({ "code": "nonsense" })), 404),
        // Who has none is asked for none.
        "/api/me/factors/recovery-codes" | "/api/auth/reauthenticate/options" => {
            (Ask::Post(path, json!({})), 404)
        }
        "/api/me/factors/totp" => (Ask::PostAs(Person::Auditor, path, json!({})), 200),
        "/api/users/{user_id}/factors" => (Ask::Delete("/api/users/4/factors"), 404),
        "/api/me/passkeys/options" => (Ask::Post(path, json!({})), 200),
        "/api/me/passkeys/{passkey_id}" => (Ask::Delete(PASSKEY), 404),
        "/api/me/api-keys/{key_id}" => (Ask::Delete("/api/me/api-keys/999"), 404),
        "/api/me/api-keys/{key_id}/rotate" => {
            (Ask::Post("/api/me/api-keys/999/rotate", json!({})), 404)
        }
        path => (Ask::Get(path.replace("{user_id}", "4")), 200),
    }
}
