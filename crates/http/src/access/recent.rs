//! Asking for a proof that is not old (RFC 9470): what follows is not for whoever found a session that is open.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde_json::json;
use time::Duration;

use super::{SignedIn, describe_session};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
};

/// How old a proof may be.
pub(crate) const MAX_AGE: Duration = Duration::minutes(10);

/// Somebody who is signed in and proved who they are within the last 10 minutes: by two factors, where the account has a second
/// one. Whoever did not does so at `/api/auth/reauthenticate`, and then sends the request again.
#[derive(Debug)]
pub struct Recent {
    /// Who it is.
    pub caller: SignedIn,
}

impl FromRequestParts<App> for Recent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = SignedIn::from_request_parts(parts, app).await?;
        check(&caller)?;
        Ok(Self { caller })
    }
}

impl Part for Recent {
    fn describe(docs: &mut Docs) {
        describe_session(docs);
        docs.codes.insert(Code::ReauthenticationRequired);
    }
}

/// Refuses whoever proved too long ago, or by too little, who they are.
pub(crate) fn check(caller: &SignedIn) -> Result<(), Problem> {
    let (actor, session) = (&caller.actor, &caller.session);
    let is_enough = actor.factors.are_none() || session.proof.methods.are_two_factors();
    if is_enough && session.proof_age <= MAX_AGE {
        return Ok(());
    }
    let description = if is_enough {
        "The proof of who you are is too old"
    } else {
        "The second factor was not proved"
    };
    let mut methods = vec!["password"];
    methods.extend(actor.factors.methods());
    let age = MAX_AGE.whole_seconds();
    let challenge = format!(
        r#"Bearer error="insufficient_user_authentication", error_description="{description}", max_age={age}"#
    );
    Err(Problem::from(Code::ReauthenticationRequired)
        .with_challenge(challenge)
        .with_member("maxAge", json!(age))
        .with_member("methods", json!(methods))
        .by(actor))
}
