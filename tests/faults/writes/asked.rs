//! The request of each operation.

use serde_json::{Value, json};
use usher_tests::PASSWORD;

use super::{Scene, Write, sign_in};
use crate::{asks::Ask, factors};

impl Write {
    pub(super) fn ask(self, scene: &Scene, id: &str) -> Ask {
        let own = scene.session["accessToken"].as_str().unwrap_or_default();
        let (email, token) = (&scene.email, &scene.token);
        let path = format!("/api/users/{}", scene.user);
        match self {
            Self::Create => Ask::post("/api/users", json!({ "name": id, "email": email }))
                .with_token(&scene.admin),
            Self::Change => Ask::patch(&path, json!({ "name": id }))
                .with_token(&scene.admin)
                .with("if-match", "\"1\"".to_owned()),
            Self::Remove => Ask::delete(&path).with_token(&scene.admin),
            Self::Grant => {
                let roles = json!({ "roles": ["user", "auditor"] });
                Ask::put(&format!("{path}/roles"), roles).with_token(&scene.admin)
            }
            Self::ChangeOwn => Ask::patch("/api/me", json!({ "name": id })).with_token(own),
            Self::SignIn => sign_in(email),
            Self::Refresh => {
                let token = json!({ "refreshToken": scene.session["refreshToken"] });
                Ask::post("/api/auth/refresh", token)
            }
            Self::SignOut => Ask::post("/api/auth/logout", json!({})).with_token(own),
            Self::EndOther => {
                Ask::delete(&format!("/api/me/sessions/{}", scene.another)).with_token(own)
            }
            Self::EndOthers => Ask::delete("/api/me/sessions").with_token(own),
            Self::EndAll => Ask::delete(&format!("{path}/sessions")).with_token(&scene.admin),
            Self::Register => {
                let new = json!({ "name": id, "email": email, "password": PASSWORD });
                Ask::post("/api/auth/register", new)
            }
            Self::Resend => Ask::post("/api/auth/resend", json!({ "email": email })),
            Self::Verify => Ask::post("/api/auth/verify-email", json!({ "token": token })),
            Self::Forget => Ask::post("/api/auth/password/forgot", json!({ "email": email })),
            Self::Reset => {
                let chosen = json!({ "token": token, "password": "another horse of some length" });
                Ask::post("/api/auth/password/reset", chosen)
            }
            Self::ChangePassword => {
                let new = "another horse of some length";
                let form = json!({ "currentPassword": PASSWORD, "newPassword": new });
                Ask::post("/api/auth/password", form).with_token(own)
            }
            _ => self.ask_later(scene, id),
        }
    }

    /// The same for another address, the end of an account, and invitations.
    fn ask_later(self, scene: &Scene, id: &str) -> Ask {
        let own = scene.session["accessToken"].as_str().unwrap_or_default();
        let (email, token) = (&scene.email, &scene.token);
        match self {
            Self::AskEmail => {
                let new = format!("new-{email}");
                let form = json!({ "newEmail": new, "currentPassword": PASSWORD });
                Ask::post("/api/me/email", form).with_token(own)
            }
            Self::ConfirmEmail => Ask::post("/api/auth/email/confirm", json!({ "token": token })),
            Self::CancelEmail => Ask::post("/api/auth/email/cancel", json!({ "token": token })),
            Self::Leave => {
                let form = json!({ "currentPassword": PASSWORD });
                Ask::delete_with("/api/me", form).with_token(own)
            }
            Self::Restore => Ask::post("/api/auth/restore", json!({ "token": token })),
            Self::Reauthenticate => {
                let form = json!({ "password": PASSWORD });
                Ask::post("/api/auth/reauthenticate", form).with_token(own)
            }
            Self::Invite => {
                Ask::post("/api/invitations", json!({ "email": email })).with_token(&scene.admin)
            }
            Self::ResendInvitation => {
                Ask::post(&format!("/api/invitations/{token}/resend"), Value::Null)
                    .with_token(&scene.admin)
            }
            Self::Revoke => {
                Ask::delete(&format!("/api/invitations/{token}")).with_token(&scene.admin)
            }
            Self::Accept => {
                let form = json!({ "token": token, "name": id, "password": PASSWORD });
                Ask::post("/api/auth/invitation", form)
            }
            _ => self.ask_of_factors(scene, id),
        }
    }

    /// The same for second factors, passkeys and links.
    fn ask_of_factors(self, scene: &Scene, id: &str) -> Ask {
        let own = scene.session["accessToken"].as_str().unwrap_or_default();
        let (email, token) = (&scene.email, &scene.token);
        match self {
            Self::Challenge => {
                let form = json!({ "challengeToken": token, "code": factors::CODE });
                Ask::post("/api/auth/challenge", form)
            }
            Self::BeginFactor => Ask::post(factors::TOTP, Value::Null).with_token(own),
            Self::ConfirmFactor => {
                Ask::post(factors::CONFIRM, json!({ "code": token })).with_token(own)
            }
            Self::RenewCodes => Ask::post(factors::CODES, Value::Null).with_token(own),
            Self::RemoveFactor => Ask::delete(factors::TOTP).with_token(own),
            Self::ResetFactors => {
                Ask::delete(&format!("/api/users/{}/factors", scene.user)).with_token(&scene.admin)
            }
            Self::AddPasskey => {
                Ask::post("/api/me/passkeys", scene.passkey.made.clone()).with_token(own)
            }
            Self::SignInByPasskey => Ask::post("/api/auth/passkey", scene.passkey.answer.clone()),
            Self::RenamePasskey => {
                Ask::patch(&scene.passkey.path, json!({ "name": "Renamed" })).with_token(own)
            }
            Self::RemovePasskey => Ask::delete(&scene.passkey.path).with_token(own),
            Self::AskLink => Ask::post("/api/auth/link", json!({ "email": email })),
            Self::ConfirmLink => {
                let form = json!({ "token": token, "requestToken": token });
                Ask::post("/api/auth/link/confirm", form)
            }
            _ => self.ask_of_keys(scene, id),
        }
    }

    /// The same for API keys.
    fn ask_of_keys(self, scene: &Scene, id: &str) -> Ask {
        let own = scene.session["accessToken"].as_str().unwrap_or_default();
        let path = format!("/api/me/api-keys/{}", scene.token);
        match self {
            Self::MakeKey => {
                let form = json!({ "name": id, "scopes": [] });
                Ask::post("/api/me/api-keys", form).with_token(own)
            }
            Self::RotateKey => Ask::post(&format!("{path}/rotate"), json!({})).with_token(own),
            Self::RevokeKey => Ask::delete(&path).with_token(own),
            other => panic!("say how {other:?} is asked for"),
        }
    }
}
