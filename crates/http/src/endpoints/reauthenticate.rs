//! `/api/auth/reauthenticate`: proving again who one is, for what asks for a proof that is not old.

use axum::extract::State;
use usher_core::{
    sessions::{self, Proved, Proving},
    tokens::{self, Principal},
};
use usher_domain::{Action, Method, Methods, PasswordAttempt};

use crate::{
    App, Code, Operations, Problem,
    access::Challenged,
    answer::{Shown, view},
    input::{Nothing, Query, Repeatable, form},
};

pub(crate) fn reauthenticate() -> Operations {
    Operations::default()
        .post(
            "Proves again who one is, and returns an access token that says so.",
            prove,
        )
        .audits(Action::Reauthenticate)
        .fails_with(&[Code::EditConflict])
}

form! {
    /// A proof of who one is.
    ProofForm {
        /// The password.
        password: PasswordAttempt = "password",
    }
}

view! {
    /// Another access token of the same session; its refresh token stays.
    ProofView {
        /// Goes into the header `Authorization: Bearer …` (RFC 6750).
        access_token: String,
        /// `Bearer`.
        token_type: &'static str,
        /// How long the access token is valid, in seconds.
        expires_in: i64,
    }
}

/// POST /api/auth/reauthenticate, signed in, REAUTHENTICATE or `PASSWORD_REFUSED`.
async fn prove(
    State(app): State<App>,
    challenged: Challenged,
    _: Query<Nothing>,
    sent: Repeatable<ProofForm>,
) -> Result<Shown<ProofView>, Problem> {
    let caller = &challenged.caller;
    let attempt = sent.attempt(&app, &caller.sender());
    // Of an attempt that is repeated the change answers.
    let checked = challenged
        .check(&app, sent.form.password, attempt.as_ref())
        .await?;
    let principal = Principal {
        user: caller.actor.user.id,
        session: caller.session.id,
    };
    let proving = Proving {
        principal,
        checked,
        methods: &Methods::one(Method::Password),
    };
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let change = sessions::prove_again(&connection, author, &proving);
    let proved = challenged.make(&connection, change).await?;
    show(&app, principal, &proved.ok_or(Code::EditConflict)?)
}

fn show(app: &App, principal: Principal, proved: &Proved) -> Result<Shown<ProofView>, Problem> {
    let access_token = app
        .tokens
        .issue(principal, &proved.proof, proved.proof.at)?;
    let expires_in = (tokens::LIFETIME - proved.age).whole_seconds();
    Ok(Shown::new(ProofView {
        access_token,
        token_type: "Bearer",
        expires_in: expires_in.clamp(0, tokens::LIFETIME.whole_seconds()),
    }))
}
