//! Accepting an invitation: the mail shows whose the address is.

use axum::extract::State;
use usher_core::{
    Author, Constraint, Error as CoreError, accounts, invitations, limits::Rate, one_time::Token,
    passwords::Owner,
};
use usher_domain::{Action, Invalid, Name, Password};

use crate::{
    App, Code, Operations, Problem,
    answer::Done,
    endpoints::accounts::check_owner,
    input::{Nothing, Query, Repeatable, form},
    origin::From,
    problem::Place,
};

pub(crate) fn acceptance() -> Operations {
    Operations::default()
        .post(
            "Makes the account of an invitation with the token of its mail.",
            accept,
        )
        .audits(Action::InvitationAccept)
        .fails_with(&[
            Code::InvalidSecret,
            Code::TooManyRequests,
            Code::EmailTaken,
            Code::Busy,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// What the account of an invitation is made of.
    Acceptance {
        /// The token of the link.
        token: String = "token",
        /// What the person is called; needed where the inviter did not say.
        name: Option<Name> = "name",
        /// The password.
        password: Password = "password",
    }
}

/// POST /api/auth/invitation, anyone with the token of a mail, `INVITATION_ACCEPT` or `SECRET_REFUSED`.
async fn accept(
    State(app): State<App>,
    From(origin): From,
    _: Query<Nothing>,
    sent: Repeatable<Acceptance>,
) -> Result<Done, Problem> {
    let attempt = sent.attempt(&app, &format!("secret {}", sent.form.token));
    let Acceptance {
        token,
        name,
        password,
    } = sent.form;
    let token = Token::parse(&token);
    let connection = app.database.connection().await?;
    // Whether it is good the change itself decides.
    let find = async {
        match &token {
            Some(token) => invitations::find_open(&connection, token).await,
            None => Ok(None),
        }
    };
    let charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    let author = Author::nobody(&origin);
    let found = app.limit_beside(&connection, author, &charge, find).await?;
    drop(connection);
    let mut is_taken = false;
    if let (Some(token), Some(found)) = (&token, found) {
        let Some(name) = name.or_else(|| found.name.clone()) else {
            let place = Place::Pointer("/name".to_owned());
            return Err(Problem::invalid_at(
                place,
                Invalid::new("required", "is required"),
            ));
        };
        check_owner(&password, "password", &name, &found.email)?;
        app.leaks.check(&password, "password").await?;
        let owner = Owner::Address(&found.email);
        let password = app.passwords.hash(password, owner).await?;
        let connection = app.database.connection().await?;
        let author = Author::nobody(&origin).once(attempt.as_ref());
        let accepted =
            invitations::accept(&connection, author, (token, &found), &name, &password).await;
        match accepted {
            Ok(true) => return Ok(Done),
            Ok(false) => {}
            Err(CoreError::Conflict(Constraint::EmailTaken)) => is_taken = true,
            Err(error) => return Err(error.into()),
        }
    }
    let connection = app.database.connection().await?;
    if let Some(attempt) = &attempt
        && accounts::was_done(&connection, attempt).await?
    {
        return Ok(Done);
    }
    let author = Author::nobody(&origin);
    invitations::record_refused_invitation(&connection, author, is_taken).await?;
    Err(if is_taken {
        Code::EmailTaken.into()
    } else {
        Code::InvalidSecret.into()
    })
}
