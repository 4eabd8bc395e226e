//! Every operation that writes, each ready to be sent, with what shows that it was done once.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio_postgres::Client;
use usher_http::routes;
use usher_tests::{PASSWORD, Person, processes::client::Answer};

use crate::{
    asks::{Ask, Reply},
    factors, passkeys,
    stage::Stage,
};

mod asked;
mod effects;
mod paths;
mod scene;

use scene::{email_change, invitation, mailed, move_in, newest_session};

/// Every operation that writes.
pub(crate) const ALL: [Write; 42] = [
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
    Write::Challenge,
    Write::BeginFactor,
    Write::ConfirmFactor,
    Write::RenewCodes,
    Write::RemoveFactor,
    Write::ResetFactors,
    Write::AddPasskey,
    Write::SignInByPasskey,
    Write::RenamePasskey,
    Write::RemovePasskey,
    Write::AskLink,
    Write::ConfirmLink,
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
    Challenge,
    BeginFactor,
    ConfirmFactor,
    RenewCodes,
    RemoveFactor,
    ResetFactors,
    AddPasskey,
    SignInByPasskey,
    RenamePasskey,
    RemovePasskey,
    AskLink,
    ConfirmLink,
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
    passkey: passkeys::Scene,
}

impl Write {
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
                | Self::BeginFactor
                | Self::ConfirmFactor
                | Self::RenewCodes
                | Self::RemoveFactor
                | Self::Refresh
                | Self::SignOut
                | Self::EndAll
                | Self::MakeKey
                | Self::RotateKey
                | Self::RevokeKey
        )
    }

    /// Tells whether its user has a passkey already, where it is about one.
    fn has_passkey(self) -> Option<bool> {
        match self {
            Self::AddPasskey => Some(false),
            Self::SignInByPasskey | Self::RenamePasskey | Self::RemovePasskey => Some(true),
            _ => None,
        }
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
        let session = if needs_another || self.has_passkey().is_some() || self.needs_session() {
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
            Self::ConfirmLink => scene::sign_in_link(client, user, id).await,
            Self::ConfirmEmail => email_change(client, user, id, "new").await,
            Self::CancelEmail => email_change(client, user, id, "cancel").await,
            Self::Restore => scene::deletion(client, user, id).await,
            Self::ResendInvitation | Self::Revoke => invitation(client, &email, id).await.0,
            Self::Accept => invitation(client, &email, id).await.1,
            Self::ConfirmFactor => factors::begun(at, &session).await,
            Self::Challenge | Self::RenewCodes | Self::RemoveFactor | Self::ResetFactors => {
                factors::give(client, user).await;
                let is_half = self == Self::Challenge;
                factors::challenge(is_half.then_some(&sign_in), at).await
            }
            Self::RotateKey | Self::RevokeKey => scene::api_key(client, user).await,
            _ => String::new(),
        };
        let own = session["accessToken"].as_str().unwrap_or_default();
        let passkey = match self.has_passkey() {
            Some(has_one) => passkeys::scene(at, own, has_one).await,
            None => passkeys::Scene::default(),
        };
        let scene = Scene {
            admin: stage.token(Person::Admin),
            email,
            user,
            session,
            another,
            token,
            passkey,
        };
        Prepared {
            write: self,
            ask: self.ask(&scene, id).with_id(id),
            id: id.to_owned(),
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
            // What asks for a challenge changes nothing.
            let reads =
                operation.method == http::Method::GET || endpoint.path.ends_with("/options");
            assert!(reads || known.contains(&route), "add {route:?} to ALL");
        }
    }
}
