//! `/api/auth/password`: another password, for who knows the present one and for who lost it.

use axum::extract::State;
use usher_core::{
    Author,
    accounts::{self, NewPassword, PasswordChange, Wish},
    limits::Rate,
    mails::Mail,
    one_time::{self, OneTime, Shown, Token},
    passwords::Owner,
};
use usher_domain::{
    Action, Email, Factors, Invalid, Message, Password, PasswordAttempt, PasswordCandidate,
    Purpose, Template,
};

use super::accounts::check_owner;
use crate::{
    App, Code, Operations, Problem,
    access::Challenged,
    answer::{Accepted, Done},
    input::{Nothing, Query, Repeatable, form},
    origin::{From, Spoken},
    problem::Place,
};

const PURPOSE: Purpose = Purpose::ResetPassword;

pub(crate) fn own() -> Operations {
    Operations::default()
        .post(
            "Changes the own password, and signs out everywhere else.",
            change,
        )
        .audits(Action::PasswordChange)
        .fails_with(&[Code::EditConflict])
}

pub(crate) fn forgot() -> Operations {
    Operations::default()
        .post("Mails a link to choose another password.", ask)
        .audits(Action::ResetRequest)
        .fails_with(&[Code::DatabaseUnavailable])
}

pub(crate) fn reset() -> Operations {
    Operations::default()
        .post(
            "Sets another password with the token of a mail, and signs out everywhere.",
            choose,
        )
        .audits(Action::PasswordReset)
        .fails_with(&[
            Code::InvalidSecret,
            Code::TooManyRequests,
            Code::Busy,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// Another password of one's own.
    Changed {
        /// The present password.
        current_password: PasswordAttempt = "currentPassword",
        /// The new password: 15 characters at least, or 8 where the account has a second factor.
        new_password: PasswordCandidate = "newPassword",
    }
}

form! {
    /// Whose password was lost.
    Forgotten {
        /// The address.
        email: Email = "email",
    }
}

form! {
    /// Another password.
    Chosen {
        /// The token of the link.
        token: String = "token",
        /// The new password: 15 characters at least, or 8 where the account has a second factor.
        password: PasswordCandidate = "password",
    }
}

/// POST /api/auth/password, signed in, `PASSWORD_CHANGE` or `PASSWORD_REFUSED`.
async fn change(
    State(app): State<App>,
    challenged: Challenged,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Changed>,
) -> Result<Done, Problem> {
    let caller = &challenged.caller;
    let attempt = sent.attempt(&app, &caller.sender());
    let Changed {
        current_password,
        new_password,
    } = sent.form;
    let user = &caller.actor.user;
    let new_password = long_enough(new_password, "newPassword", &caller.actor.factors)?;
    check_owner(&new_password, "newPassword", &user.name, &user.email)?;
    if new_password.expose() == current_password.expose() {
        let invalid = Invalid::new("unchanged", "must be another one than the present password");
        return Err(Problem::invalid_at(
            Place::Pointer("/newPassword".to_owned()),
            invalid,
        ));
    }
    let checked = challenged
        .check(&app, current_password, attempt.as_ref())
        .await?;
    let Some(checked) = checked else {
        return Ok(Done);
    };
    app.leaks.check(&new_password, "newPassword").await?;
    let is_short = new_password.is_short();
    let password = app
        .passwords
        .hash(new_password, Owner::User(user.id))
        .await?;
    let message = Message {
        recipient: user.email.clone(),
        template: Template::OwnPasswordChanged,
        language,
        values: Vec::new(),
    };
    let mail = Mail::new(&app.secret, &message)?;
    let new = PasswordChange {
        user: user.id,
        session: caller.session.id,
        checked,
        password: &password,
        is_short,
    };
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let change = accounts::change_password(&connection, author, &new, &mail);
    if challenged.make(&connection, change).await? {
        Ok(Done)
    } else {
        Err(Code::EditConflict.into())
    }
}

/// POST /api/auth/password/forgot, anyone, `RESET_REQUEST`.
async fn ask(
    State(app): State<App>,
    From(origin): From,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Forgotten>,
) -> Result<Accepted, Problem> {
    let email = &sent.form.email;
    let charge = app.charge_mail(Rate::MailAddress, &origin, email);
    app.limit(Author::nobody(&origin), &charge).await?;
    let attempt = sent.attempt(&app, &format!("address {email}"));
    let one_time = OneTime::generate(&app.secret, PURPOSE, email)?;
    let message = Message {
        recipient: email.clone(),
        template: Template::ResetPassword,
        language,
        values: vec![("link", app.link("reset", &one_time.token))],
    };
    let mail = Mail::or_nothing(&app.secret, &message)?;
    let connection = app.database.connection().await?;
    let author = Author::nobody(&origin).once(attempt.as_ref());
    let sent = (&one_time, &mail);
    accounts::ask(&connection, author, Wish::Reset, email, sent).await?;
    Ok(Accepted)
}

/// POST /api/auth/password/reset, anyone with the token of a mail, `PASSWORD_RESET` or `SECRET_REFUSED`.
async fn choose(
    State(app): State<App>,
    From(origin): From,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Chosen>,
) -> Result<Done, Problem> {
    let attempt = sent.attempt(&app, &format!("secret {}", sent.form.token));
    let Chosen { token, password } = sent.form;
    let connection = app.database.connection().await?;
    let token = Token::parse(&token);
    // The owner of the address is written to, so it has to be known; whether the secret is good the change itself decides.
    let find = async {
        match &token {
            Some(token) => one_time::find_holder(&connection, PURPOSE, token).await,
            None => Ok(None),
        }
    };
    let charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    let author = Author::nobody(&origin);
    let holder = app.limit_beside(&connection, author, &charge, find).await?;
    drop(connection);
    if let (Some(token), Some(holder)) = (&token, holder) {
        let password = long_enough(password, "password", &holder.factors)?;
        check_owner(&password, "password", &holder.name, &holder.email)?;
        app.leaks.check(&password, "password").await?;
        let is_short = password.is_short();
        let password = app
            .passwords
            .hash(password, Owner::User(holder.user))
            .await?;
        let mail_to = holder.email;
        let message = Message {
            recipient: mail_to.clone(),
            template: Template::PasswordChanged,
            language,
            values: Vec::new(),
        };
        let mail = Mail::new(&app.secret, &message)?;
        let shown = Shown::token(PURPOSE, token);
        // Who may read the mails of an account gets all tries at its new password.
        let unlocked = app.charge().sign_in(&mail_to, None, None);
        let connection = app.database.connection().await?;
        let author = Author::nobody(&origin).once(attempt.as_ref());
        let new = NewPassword {
            password: &password,
            is_short,
        };
        let told = (&mail, &unlocked);
        if accounts::reset(&connection, author, &shown, new, told).await? {
            return Ok(Done);
        }
    }
    let connection = app.database.connection().await?;
    if let Some(attempt) = &attempt
        && accounts::was_done(&connection, attempt).await?
    {
        return Ok(Done);
    }
    accounts::record_refusal(&connection, Author::nobody(&origin), PURPOSE).await?;
    Err(Code::InvalidSecret.into())
}

/// Refuses a password that is too short for an account with these second factors.
fn long_enough(
    password: PasswordCandidate,
    member: &str,
    factors: &Factors,
) -> Result<Password, Problem> {
    let refused = |invalid| Problem::invalid_at(Place::Pointer(format!("/{member}")), invalid);
    password.beside(factors).map_err(refused)
}
