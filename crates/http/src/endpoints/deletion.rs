//! `DELETE /api/me` and `/api/auth/restore`: deleting one's own account, and undoing that for a while.

use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use usher_core::{
    Author, Constraint, Error as CoreError,
    accounts::{self, NewDeletion},
    limits::Rate,
    mails::Mail,
    one_time::Token,
};
use usher_domain::{Action, Message, PasswordAttempt, Template, UserId};

use crate::{
    App, Code, Operations, Problem,
    access::{self, Challenged},
    answer::Done,
    describe::{Docs, Part},
    input::{Nothing, Query, Repeatable, form, has_key},
    origin::{From, Spoken},
};

pub(crate) fn restore() -> Operations {
    Operations::default()
        .post(
            "Undoes the deletion of an account with the token of a mail.",
            undo,
        )
        .audits(Action::Restore)
        .fails_with(&[
            Code::InvalidSecret,
            Code::TooManyRequests,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// What the owner of an account knows.
    Farewell {
        /// The present password.
        current_password: PasswordAttempt = "currentPassword",
    }
}

form! {
    /// What was mailed.
    Mailed {
        /// The token of the link.
        token: String = "token",
    }
}

/// DELETE /api/me, signed in, `DELETION_REQUEST` or `PASSWORD_REFUSED`.
pub(super) async fn leave(
    State(app): State<App>,
    leaving: Leaving,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Farewell>,
) -> Result<Done, Problem> {
    let challenged = match leaving {
        Leaving::Now(challenged) => challenged,
        Leaving::Gone(user, problem) => {
            let connection = app.database.connection().await?;
            return match sent.attempt(&app, &access::sender(user)) {
                Some(attempt) if accounts::was_done(&connection, &attempt).await? => Ok(Done),
                _ => Err(problem),
            };
        }
    };
    let caller = &challenged.caller;
    let attempt = sent.attempt(&app, &caller.sender());
    challenged.must_have_password()?;
    let checked = challenged
        .check(&app, sent.form.current_password, attempt.as_ref())
        .await?;
    let Some(checked) = checked else {
        return Ok(Done);
    };
    let token = Token::generate()?;
    let user = &caller.actor.user;
    let days = app.deletion_grace_days;
    let message = Message {
        recipient: user.email.clone(),
        template: Template::AccountDeletion,
        language,
        values: vec![
            ("link", app.link("restore", &token)),
            ("days", days.to_string()),
        ],
    };
    let mail = Mail::new(&app.secret, &message)?;
    let new = NewDeletion {
        user: user.id,
        checked,
        days,
        restore: &token,
    };
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let change = accounts::request_deletion(&connection, author, &new, &mail);
    match challenged.make(&connection, change).await {
        Ok(true) => Ok(Done),
        Ok(false) => Err(Code::EditConflict.into()),
        // The same request at the same time may have been first, and ended the session.
        Err(error @ CoreError::Conflict(Constraint::AuthorSignedOut)) => match &attempt {
            Some(attempt) if accounts::was_done(&connection, attempt).await? => Ok(Done),
            _ => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// POST /api/auth/restore, anyone with the token of a mail, RESTORE or `SECRET_REFUSED`.
async fn undo(
    State(app): State<App>,
    From(origin): From,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Mailed>,
) -> Result<Done, Problem> {
    let attempt = sent.attempt(&app, &format!("secret {}", sent.form.token));
    let connection = app.database.connection().await?;
    let token = Token::parse(&sent.form.token);
    let find = async {
        match &token {
            Some(token) => accounts::find_restorable(&connection, token).await,
            None => Ok(None),
        }
    };
    let charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    let author = Author::nobody(&origin);
    let found = app.limit_beside(&connection, author, &charge, find).await?;
    if let (Some(token), Some(recipient)) = (&token, found) {
        let message = Message {
            recipient,
            template: Template::AccountRestored,
            language,
            values: Vec::new(),
        };
        let mail = Mail::new(&app.secret, &message)?;
        let author = Author::nobody(&origin).once(attempt.as_ref());
        if accounts::restore(&connection, author, token, &mail).await? {
            return Ok(Done);
        }
    }
    if let Some(attempt) = &attempt
        && accounts::was_done(&connection, attempt).await?
    {
        return Ok(Done);
    }
    accounts::record_refused_restore(&connection, Author::nobody(&origin)).await?;
    Err(Code::InvalidSecret.into())
}

/// Somebody who deletes the own account, or did so with a request whose answer was lost: that one ended the session.
pub(super) enum Leaving {
    Now(Box<Challenged>),
    Gone(UserId, Problem),
}

impl FromRequestParts<App> for Leaving {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = access::token(parts, app)?;
        match Challenged::from_request_parts(parts, app).await {
            Ok(challenged) => Ok(Self::Now(Box::new(challenged))),
            Err(problem) if problem.code() == Code::Unauthenticated && has_key(&parts.headers) => {
                Ok(Self::Gone(token.principal.user, problem))
            }
            Err(problem) => Err(problem),
        }
    }
}

impl Part for Leaving {
    fn describe(docs: &mut Docs) {
        Challenged::describe(docs);
    }
}
