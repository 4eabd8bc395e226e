//! Asking for a proof that is not old (RFC 9470): what follows is not for whoever found a session that is open.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde_json::json;
use time::Duration;
use usher_core::{
    accounts::{self, Means},
    actor::{Actor, By},
};

use super::{SignedIn, token};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
};

/// How old a proof may be.
pub(crate) const MAX_AGE: Duration = Duration::minutes(10);

/// Somebody who is signed in and proved who they are within the last 10 minutes: by two factors, where the account has a second
/// one. Whoever did not does so at `/api/auth/reauthenticate`, and then sends the request again; who has nothing to do so with signs
/// in again.
///
/// An API key does not get here: it proves nothing.
#[derive(Debug)]
pub struct Recent<C = SignedIn> {
    /// Who it is.
    pub caller: C,
}

impl<C> FromRequestParts<App> for Recent<C>
where
    C: FromRequestParts<App, Rejection = Problem> + AsRef<Actor> + Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // A key is refused before anybody looks it up.
        token(parts, app)?;
        let caller = C::from_request_parts(parts, app).await?;
        check(app, caller.as_ref()).await?;
        Ok(Self { caller })
    }
}

impl<C: Part> Part for Recent<C> {
    fn describe(docs: &mut Docs) {
        C::describe(docs);
        docs.takes_keys = false;
        docs.codes
            .extend([Code::SessionRequired, Code::ReauthenticationRequired]);
    }
}

/// Refuses whoever proved too long ago, or by too little, who they are. A key proves nothing.
pub(crate) async fn check(app: &App, actor: &Actor) -> Result<(), Problem> {
    let By::Session(session) = &actor.by else {
        return Err(Problem::from(Code::SessionRequired).by(actor));
    };
    let is_enough = actor.factors.are_none() || session.proof.methods.are_two_factors();
    if is_enough && session.proof_age <= MAX_AGE {
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
