//! Every operation that writes, each ready to be sent, with what shows that it was done once.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio_postgres::Client;
use usher_http::routes;
use usher_tests::{PASSWORD, Person, processes::client::Answer};

use crate::{
    asks::{Ask, Reply},
    stage::Stage,
};

mod effects;
mod later;
mod scene;

use scene::{email_change, invitation, mailed, move_in, newest_session};

/// Every operation that writes.
pub(crate) const ALL: [Write; 30] = [
    Write::Create,
    Write::Change,
    Write::Remove,
    Write::Grant,
    Write::ChangeOwn,
    Write::SignIn,
    Write::Refresh,
    Write::SignOut,
    Write::EndOther,
    Write::EndOthers,
    Write::EndAll,
    Write::Register,
    Write::Resend,
    Write::Verify,
    Write::Forget,
    Write::Reset,
    Write::ChangePassword,
    Write::AskEmail,
    Write::ConfirmEmail,
    Write::CancelEmail,
    Write::Leave,
    Write::Restore,
    Write::Reauthenticate,
    Write::Invite,
    Write::ResendInvitation,
    Write::Revoke,
    Write::Accept,
    Write::MakeKey,
    Write::RotateKey,
    Write::RevokeKey,
];

/// An operation that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Change,
    Remove,
    Grant,
    ChangeOwn,
    SignIn,
    Refresh,
    SignOut,
    EndOther,
    EndOthers,
    EndAll,
    Register,
    Resend,
    Verify,
    Forget,
    Reset,
    ChangePassword,
    AskEmail,
    ConfirmEmail,
    CancelEmail,
    Leave,
    Restore,
    Reauthenticate,
    Invite,
    ResendInvitation,
    Revoke,
    Accept,
    MakeKey,
    RotateKey,
    RevokeKey,
}

/// A request that was never sent, about a user whom nobody else knows.
pub(crate) struct Prepared {
    write: Write,
    pub(crate) ask: Ask,
    /// The id of the request, which is also the local part of the user's address.
    id: String,
}

/// What there is before a request.
struct Scene {
    /// The access token of the admin.
    admin: String,
    email: String,
    user: i64,
    /// What the sign-in of the user gave.
    session: Value,
    /// Another session of the user.
    another: String,
    /// What was mailed to the user.
    token: String,
}

impl Write {
    /// Returns the method and the path of the operation.
    fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("POST", "/api/users"),
            Self::Change => ("PATCH", "/api/users/{user_id}"),
            Self::Remove => ("DELETE", "/api/users/{user_id}"),
            Self::Grant => ("PUT", "/api/users/{user_id}/roles"),
            Self::ChangeOwn => ("PATCH", "/api/me"),
            Self::SignIn => ("POST", "/api/auth/login"),
            Self::Refresh => ("POST", "/api/auth/refresh"),
            Self::SignOut => ("POST", "/api/auth/logout"),
            Self::EndOther => ("DELETE", "/api/me/sessions/{session_id}"),
            Self::EndOthers => ("DELETE", "/api/me/sessions"),
            Self::EndAll => ("DELETE", "/api/users/{user_id}/sessions"),
            Self::Register => ("POST", "/api/auth/register"),
            Self::Resend => ("POST", "/api/auth/resend"),
            Self::Verify => ("POST", "/api/auth/verify-email"),
            Self::Forget => ("POST", "/api/auth/password/forgot"),
            Self::Reset => ("POST", "/api/auth/password/reset"),
            Self::ChangePassword => ("POST", "/api/auth/password"),
            Self::AskEmail => ("POST", "/api/me/email"),
            Self::ConfirmEmail => ("POST", "/api/auth/email/confirm"),
            Self::CancelEmail => ("POST", "/api/auth/email/cancel"),
            Self::Leave => ("DELETE", "/api/me"),
            Self::Restore => ("POST", "/api/auth/restore"),
            Self::Reauthenticate => ("POST", "/api/auth/reauthenticate"),
            Self::Invite => ("POST", "/api/invitations"),
            Self::ResendInvitation => ("POST", "/api/invitations/{invitation_id}/resend"),
            Self::Revoke => ("DELETE", "/api/invitations/{invitation_id}"),
            Self::Accept => ("POST", "/api/auth/invitation"),
            Self::MakeKey => ("POST", "/api/me/api-keys"),
            Self::RotateKey => ("POST", "/api/me/api-keys/{key_id}/rotate"),
            Self::RevokeKey => ("DELETE", "/api/me/api-keys/{key_id}"),
        }
    }

    /// Returns the status of success.
    fn status(self) -> u16 {
        match self {
            Self::Create | Self::Invite | Self::MakeKey => 201,
            Self::Register | Self::Resend | Self::Forget | Self::AskEmail => 202,
            Self::Change
            | Self::Grant
            | Self::ChangeOwn
            | Self::SignIn
            | Self::Refresh
            | Self::ResendInvitation
            | Self::RotateKey
            | Self::Reauthenticate => 200,
            _ => 204,
        }
    }

    /// Tells whether nobody has the address before.
    fn is_of_nobody(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Register
                | Self::Invite
                | Self::ResendInvitation
                | Self::Revoke
                | Self::Accept
        )
    }

    fn needs_session(self) -> bool {
        matches!(
            self,
            Self::ChangeOwn
                | Self::ChangePassword
                | Self::AskEmail
                | Self::Leave
                | Self::Reauthenticate
                | Self::Refresh
                | Self::SignOut
                | Self::EndAll
                | Self::MakeKey
                | Self::RotateKey
                | Self::RevokeKey
        )
    }

    /// Makes a request ready, with a user and a session when it needs them.
    pub(crate) async fn prepare(
        self,
        stage: &Stage,
        client: &Client,
        at: SocketAddr,
        id: &str,
    ) -> Prepared {
        let email = format!("{id}@example.com");
        let user = if self.is_of_nobody() {
            0
        } else {
            move_in(client, &email).await
        };
        let sign_in = sign_in(&email);
        let needs_another = matches!(self, Self::EndOther | Self::EndOthers);
        let session = if needs_another || self.needs_session() {
            sign_in.to(at).await.expect(200)
        } else {
            Value::Null
        };
        let another = if needs_another {
            sign_in.to(at).await.expect(200);
            newest_session(client, user).await
        } else {
            String::new()
        };
        let token = match self {
            Self::Verify => mailed(client, "verify-email", user, id).await,
            Self::Reset => mailed(client, "reset-password", user, id).await,
            Self::ConfirmEmail => email_change(client, user, id, "new").await,
            Self::CancelEmail => email_change(client, user, id, "cancel").await,
            Self::Restore => scene::deletion(client, user, id).await,
            Self::ResendInvitation | Self::Revoke => invitation(client, &email, id).await.0,
            Self::Accept => invitation(client, &email, id).await.1,
            Self::RotateKey | Self::RevokeKey => scene::api_key(client, user).await,
            _ => String::new(),
        };
        let scene = Scene {
            admin: stage.token(Person::Admin),
            email,
            user,
            session,
            another,
            token,
        };
        Prepared {
            write: self,
            ask: self.ask(&scene, id).with_id(id),
            id: id.to_owned(),
        }
    }

    fn ask(self, scene: &Scene, id: &str) -> Ask {
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
}

fn sign_in(email: &str) -> Ask {
    Ask::post(
        "/api/auth/login",
        json!({ "email": email, "password": PASSWORD }),
    )
}

impl Prepared {
    /// Returns the request with a key that makes it safe to send it again.
    pub(crate) fn with_key(&self) -> Ask {
        self.ask.clone().with_key(&self.id)
    }

    /// Returns what a caller makes of replies: `Err` when one of them is no success, or they differ.
    pub(crate) fn agree(&self, replies: &[Reply]) -> Result<(), String> {
        let mut shown: Vec<_> = replies.iter().map(Self::shown).collect();
        shown.dedup();
        match &shown[..] {
            [(status, _)] if *status == self.write.status() => Ok(()),
            [(status, _)] => Err(format!("{:?} is answered with {status}", self.write)),
            _ => Err(format!("{:?} is answered differently", self.write)),
        }
    }

    /// Returns what replies to the same request must have in common: not the access token, which is made anew.
    fn shown(reply: &Reply) -> (u16, Value) {
        let mut body = reply
            .answer
            .as_ref()
            .filter(|answer| !answer.body.is_empty())
            .map(Answer::json)
            .unwrap_or_default();
        if let Some(body) = body.as_object_mut() {
            for passing in ["accessToken", "expiresIn"] {
                body.remove(passing);
            }
        }
        (reply.status(), body)
    }

    /// Returns what the database has of the request: `Err` unless that is one effect with one entry.
    pub(crate) async fn is_done_once(&self, client: &Client) -> Result<(), String> {
        self.is_done(client, &[1]).await
    }

    /// The same, or nothing at all.
    pub(crate) async fn is_done_once_or_never(&self, client: &Client) -> Result<(), String> {
        self.is_done(client, &[0, 1]).await
    }

    async fn is_done(&self, client: &Client, times: &[i64]) -> Result<(), String> {
        let entries = "select count(*) from audit_logs where request_id = $1";
        let effects = effects::of(self.write);
        let email = format!("{}@example.com", self.id);
        let effects: i64 = client.query_one(effects, &[&email]).await.unwrap().get(0);
        let entries: i64 = client.query_one(entries, &[&self.id]).await.unwrap().get(0);
        if effects == entries && times.contains(&effects) {
            Ok(())
        } else {
            Err(format!(
                "{:?} has {effects} effects and {entries} entries",
                self.write
            ))
        }
    }
}

#[test]
fn every_operation_that_writes_is_known() {
    let known = ALL.map(Write::route);
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            let route = (operation.method.as_str(), endpoint.path);
            let reads = operation.method == http::Method::GET;
            assert!(reads || known.contains(&route), "add {route:?} to ALL");
        }
    }
}
