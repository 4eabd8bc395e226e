//! How the operations that came later are asked for.

use serde_json::{Value, json};
use usher_tests::PASSWORD;

use super::{Scene, Write};
use crate::asks::Ask;

impl Write {
    /// The same for another address, the end of an account, and invitations.
    pub(super) fn ask_later(self, scene: &Scene, id: &str) -> Ask {
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
            Self::MakeKey => {
                let form = json!({ "name": id, "scopes": [] });
                Ask::post("/api/me/api-keys", form).with_token(own)
            }
            Self::RotateKey => {
                let path = format!("/api/me/api-keys/{token}/rotate");
                Ask::post(&path, json!({})).with_token(own)
            }
            Self::RevokeKey => Ask::delete(&format!("/api/me/api-keys/{token}")).with_token(own),
            other => panic!("say how {other:?} is asked for"),
        }
    }
}
