//! Asking for a proof that is not old (RFC 9470): what follows is not for whoever found a session that is open.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde_json::json;
use time::Duration;
use usher_core::{
    accounts::{self, Means},
    sessions::Actor,
};

use super::{Access, SignedIn, describe};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
};

/// How old a proof may be.
pub(crate) const MAX_AGE: Duration = Duration::minutes(10);

/// Somebody who is signed in and proved who they are within the last 10 minutes: by two factors, where the account has a second
/// one. Whoever did not does so at `/api/auth/reauthenticate`, and then sends the request again; who has nothing to do so with signs
/// in again.
#[derive(Debug)]
pub struct Recent {
    /// Who it is.
    pub caller: SignedIn,
}

impl FromRequestParts<App> for Recent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = SignedIn::from_request_parts(parts, app).await?;
        check(app, &caller.actor).await?;
        Ok(Self { caller })
    }
}

impl Part for Recent {
    fn describe(docs: &mut Docs) {
        describe(docs, Access::SignedIn);
        docs.codes.insert(Code::ReauthenticationRequired);
    }
}

/// Refuses whoever proved too long ago, or by too little, who they are.
pub(crate) async fn check(app: &App, actor: &Actor) -> Result<(), Problem> {
    let is_enough = actor.factors.are_none() || actor.proof.methods.are_two_factors();
    if is_enough && actor.proof_age <= MAX_AGE {
        return Ok(());
    }
    let description = if is_enough {
        "The proof of who you are is too old"
    } else {
        "The second factor was not proved"
    };
    // Only who is refused waits for this.
    let connection = app.database.connection().await?;
    let means = accounts::find_means(&connection, actor.user.id).await?;
    let age = MAX_AGE.whole_seconds();
    let challenge = format!(
        r#"Bearer error="insufficient_user_authentication", error_description="{description}", max_age={age}"#
    );
    Err(Problem::from(Code::ReauthenticationRequired)
        .with_challenge(challenge)
        .with_member("maxAge", json!(age))
        .with_member("methods", json!(methods(actor, means)))
        .by(actor))
}

/// Returns what proves again who somebody is: the password, and one of the codes where there are any; or the passkey alone. Codes
/// without a password prove one factor, and nothing.
fn methods(actor: &Actor, means: Means) -> Vec<&str> {
    let mut methods = Vec::new();
    if means.has_password {
        methods.push("password");
        methods.extend(actor.factors.methods());
    }
    if means.has_passkey {
        methods.push("passkey");
    }
    methods
}
