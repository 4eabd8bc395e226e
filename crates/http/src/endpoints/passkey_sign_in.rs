//! `/api/auth/passkey`: signing in with a passkey, without saying who one is first.

use axum::extract::State;
use usher_core::{
    Author,
    limits::Rate,
    one_time::Token,
    passkeys::{self, SignInPasskey},
};
use usher_domain::Action;

use super::{
    auth::{SessionView, leave_behind, show},
    passkeys::OptionsView,
};
use crate::{
    App, Code, Operations, Problem,
    answer::Shown,
    delivery::{Delivered, Delivery},
    input::{Nothing, Object, Query, Repeatable, form},
    origin::From,
};

pub(crate) fn options() -> Operations {
    Operations::default()
        .post(
            "Returns what the browser asks for a passkey with; no account is named.",
            ask,
        )
        .fails_with(&[
            Code::TooManyRequests,
            Code::Misconfigured,
            Code::DatabaseUnavailable,
        ])
}

pub(crate) fn sign_in() -> Operations {
    Operations::default()
        .post("Signs in with a passkey.", begin)
        .audits(Action::Login)
        .fails_with(&[
            Code::InvalidPasskey,
            Code::TooManyRequests,
            Code::Misconfigured,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// What an authenticator answered.
    Answered {
        /// The token of the options.
        ceremony_token: String = "ceremonyToken",
        /// What `PublicKeyCredential.toJSON` returns.
        credential: Object = "credential",
    }
}

/// POST /api/auth/passkey/options, anyone.
async fn ask(
    State(app): State<App>,
    From(origin): From,
    _: Query<Nothing>,
) -> Result<Shown<OptionsView>, Problem> {
    let party = app.relying_party()?;
    let charge = app.charge_anonymous(Rate::LoginAddress, &origin);
    app.limit(Author::nobody(&origin), &charge).await?;
    let connection = app.database.connection().await?;
    let begun = passkeys::begin_sign_in(&connection, &party).await?;
    Ok(Shown::new(begun.into()))
}

/// POST /api/auth/passkey, anyone with the token of a ceremony, LOGIN or `LOGIN_FAILED`.
async fn begin(
    State(app): State<App>,
    From(origin): From,
    delivery: Delivery,
    _: Query<Nothing>,
    sent: Repeatable<Answered>,
) -> Result<Delivered<Shown<SessionView>>, Problem> {
    let party = app.relying_party()?;
    let attempt = sent.attempt(&app, &format!("ceremony {}", sent.form.ceremony_token));
    let token = Token::parse(&sent.form.ceremony_token);
    let sign_in = SignInPasskey {
        token: token.as_ref(),
        answer: &sent.form.credential.0,
        attempt: attempt.as_ref(),
    };
    let charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    app.limit(Author::nobody(&origin), &charge).await?;
    let connection = app.database.connection().await?;
    let session = passkeys::sign_in(&connection, &party, &origin, &app.secret, sign_in).await?;
    let session = session.ok_or(Code::InvalidPasskey)?;
    leave_behind(&app, &connection, &origin, &delivery).await?;
    show(&app, &delivery, &session)
}
