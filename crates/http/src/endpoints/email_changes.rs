//! `/api/me/email` and `/api/auth/email`: another address for one's own account, which the owners of both confirm.
//!
//! Nothing here tells whether somebody else has the new address: the answer is the same, and its owner gets another mail.

use axum::extract::State;
use usher_core::{
    Author, Connection, Constraint, Error as CoreError,
    accounts::{self, ConfirmError, EmailChange, NewEmailChange},
    limits::Rate,
    mails::Mail,
    one_time::Token,
};
use usher_domain::{Action, Email, Invalid, Language, Message, Origin, PasswordAttempt, Template};

use crate::{
    App, Code, Operations, Problem,
    access::Challenged,
    answer::{Accepted, Done},
    input::{Nothing, Query, Repeatable, form},
    origin::{From, Spoken},
    problem::Place,
};

pub(crate) fn own() -> Operations {
    Operations::default()
        .post(
            "Asks for another address for the own account, which is mailed to the old one and to the new one.",
            ask,
        )
        .audits(Action::EmailChangeRequest)
        .fails_with(&[Code::PasswordMissing, Code::EditConflict])
}

pub(crate) fn confirm() -> Operations {
    Operations::default()
        .post(
            "Confirms a change of address with the token of a mail; the second of both makes it, and signs out everywhere else.",
            confirm_one,
        )
        .audits(Action::EmailChangeConfirm)
        .fails_with(&[
            Code::InvalidSecret,
            Code::TooManyRequests,
            Code::EmailTaken,
            Code::DatabaseUnavailable,
        ])
}

pub(crate) fn cancel() -> Operations {
    Operations::default()
        .post(
            "Cancels a change of address with the token of the mail to the old one.",
            cancel_one,
        )
        .audits(Action::EmailChangeCancel)
        .fails_with(&[
            Code::InvalidSecret,
            Code::TooManyRequests,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// Another address of one's own.
    Wanted {
        /// The new address; it is kept in lower case.
        new_email: Email = "newEmail",
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

/// POST /api/me/email, signed in, `EMAIL_CHANGE_REQUEST` or `PASSWORD_REFUSED`.
async fn ask(
    State(app): State<App>,
    challenged: Challenged,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Wanted>,
) -> Result<Accepted, Problem> {
    let challenged = challenged.mailing(&sent.form.new_email);
    let caller = &challenged.caller;
    let attempt = sent.attempt(&app, &caller.sender());
    let Wanted {
        new_email,
        current_password,
    } = sent.form;
    let user = &caller.actor.user;
    challenged.must_have_password()?;
    let checked = challenged
        .check(&app, current_password, attempt.as_ref())
        .await?;
    let Some(checked) = checked else {
        return Ok(Accepted);
    };
    if new_email == user.email {
        // It may be the request itself that made it so.
        let connection = app.database.connection().await?;
        if let Some(attempt) = &attempt
            && accounts::was_done(&connection, attempt).await?
        {
            return Ok(Accepted);
        }
        let invalid = Invalid::new("unchanged", "must be another one than the present address");
        let place = Place::Pointer("/newEmail".to_owned());
        return Err(Problem::invalid_at(place, invalid));
    }
    let [old, new, cancel] = [Token::generate()?, Token::generate()?, Token::generate()?];
    let mail = question(
        &app,
        language,
        (&user.email, &new_email),
        [&old, &new, &cancel],
    )?;
    let change = NewEmailChange {
        user: user.id,
        session: caller.session.id,
        checked,
        email: &new_email,
        old: &old,
        new: &new,
        cancel: &cancel,
    };
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let change = accounts::request_email_change(&connection, author, &change, &mail);
    if challenged.make(&connection, change).await? {
        Ok(Accepted)
    } else {
        Err(Code::EditConflict.into())
    }
}

/// Seals what the new address gets, if it is free or if it is taken, and what the old one gets.
fn question(
    app: &App,
    language: Language,
    (old, new): (&Email, &Email),
    [old_token, new_token, cancel]: [&Token; 3],
) -> Result<Mail, Problem> {
    let usual = Message {
        recipient: new.clone(),
        template: Template::ConfirmNewEmail,
        language,
        values: vec![("link", app.link("email", new_token))],
    };
    let unusual = Message {
        template: Template::EmailWanted,
        values: Vec::new(),
        ..usual.clone()
    };
    let beside = Message {
        recipient: old.clone(),
        template: Template::ConfirmEmailChange,
        language,
        values: vec![
            ("link", app.link("email", old_token)),
            ("cancel", app.link("email-cancel", cancel)),
            ("address", new.to_string()),
        ],
    };
    Ok(Mail::or(&app.secret, &usual, &unusual)?.and(&app.secret, &beside)?)
}

/// Seals what both addresses get when the change is made.
fn told(app: &App, language: Language, change: &EmailChange) -> Result<Mail, Problem> {
    let to = |recipient: &Email| Message {
        recipient: recipient.clone(),
        template: Template::EmailChanged,
        language,
        values: vec![
            ("old", change.old.to_string()),
            ("address", change.new.to_string()),
        ],
    };
    Ok(Mail::new(&app.secret, &to(&change.old))?.and(&app.secret, &to(&change.new))?)
}

/// POST /api/auth/email/confirm, anyone with the token of a mail, `EMAIL_CHANGE_CONFIRM`, `EMAIL_CHANGE` or `SECRET_REFUSED`.
async fn confirm_one(
    State(app): State<App>,
    From(origin): From,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Mailed>,
) -> Result<Done, Problem> {
    let attempt = sent.attempt(&app, &format!("secret {}", sent.form.token));
    let token = Token::parse(&sent.form.token);
    let connection = app.database.connection().await?;
    let find = async {
        match &token {
            Some(token) => accounts::find_email_change(&connection, token).await,
            None => Ok(None),
        }
    };
    let charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    let author = Author::nobody(&origin);
    let mut found = app.limit_beside(&connection, author, &charge, find).await?;
    let author = author.once(attempt.as_ref());
    if let Some(token) = &token {
        // The other side may be confirmed in between: then this one is the last.
        for is_again in [false, true] {
            if is_again {
                found = accounts::find_email_change(&connection, token).await?;
            }
            let Some(found) = &found else {
                break;
            };
            let mail = if found.is_last {
                Some(told(&app, language, found)?)
            } else {
                None
            };
            let confirm =
                accounts::confirm_email_change(&connection, author, token, found, mail.as_ref());
            match confirm.await {
                Ok(true) => return Ok(Done),
                Ok(false) => {}
                Err(CoreError::Conflict(Constraint::EmailTaken)) => {
                    refuse(&connection, &origin, ConfirmError::Taken).await?;
                    return Err(Code::EmailTaken.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    if let Some(attempt) = &attempt
        && accounts::was_done(&connection, attempt).await?
    {
        return Ok(Done);
    }
    refuse(&connection, &origin, ConfirmError::Unconfirmed).await?;
    Err(Code::InvalidSecret.into())
}

/// POST /api/auth/email/cancel, anyone with the token of a mail, `EMAIL_CHANGE_CANCEL` or `SECRET_REFUSED`.
async fn cancel_one(
    State(app): State<App>,
    From(origin): From,
    _: Query<Nothing>,
    sent: Repeatable<Mailed>,
) -> Result<Done, Problem> {
    let attempt = sent.attempt(&app, &format!("secret {}", sent.form.token));
    let charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    app.limit(Author::nobody(&origin), &charge).await?;
    let connection = app.database.connection().await?;
    let author = Author::nobody(&origin).once(attempt.as_ref());
    if let Some(token) = Token::parse(&sent.form.token)
        && accounts::cancel_email_change(&connection, author, &token).await?
    {
        return Ok(Done);
    }
    refuse(&connection, &origin, ConfirmError::Uncancelled).await?;
    Err(Code::InvalidSecret.into())
}

async fn refuse(
    connection: &Connection,
    origin: &Origin,
    error: ConfirmError,
) -> Result<(), Problem> {
    let author = Author::nobody(origin);
    accounts::record_refused_email_change(connection, author, error).await?;
    Ok(())
}
