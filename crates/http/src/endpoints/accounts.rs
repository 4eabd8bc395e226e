//! `/api/auth/register` and what follows: making an account for oneself, and verifying its address.
//!
//! Nothing here tells whether an address has an account: the answer is the same, and the owner gets a mail.

use axum::extract::State;
use usher_core::{
    Author,
    accounts::{self, NewAccount, Wish},
    limits::{Rate, Tries},
    mails::Mail,
    one_time::{OneTime, Shown, Token},
    passwords::Owner,
};
use usher_domain::{Action, Email, Invalid, Language, Message, Name, Password, Purpose, Template};

use crate::{
    App, Code, Operations, Problem,
    answer::{Accepted, Done},
    input::{Nothing, Query, Repeatable, form},
    origin::{From, Spoken},
    problem::Place,
};

pub(crate) fn register() -> Operations {
    Operations::default()
        .post(
            "Makes an account for oneself, and mails what verifies its address.",
            sign_up,
        )
        .audits(Action::Register)
        .fails_with(&[
            Code::SignUpClosed,
            Code::TooManyRequests,
            Code::Busy,
            Code::DatabaseUnavailable,
        ])
}

pub(crate) fn verify_email() -> Operations {
    Operations::default()
        .post(
            "Verifies an address, with the token or the code of a mail.",
            verify,
        )
        .audits(Action::EmailVerify)
        .fails_with(&[
            Code::InvalidSecret,
            Code::TooManyRequests,
            Code::DatabaseUnavailable,
        ])
}

pub(crate) fn resend() -> Operations {
    Operations::default()
        .post("Mails once more what verifies an address.", send_again)
        .audits(Action::VerificationRequest)
        .fails_with(&[Code::TooManyRequests, Code::DatabaseUnavailable])
}

form! {
    /// An account to be.
    Registration {
        /// What the person is called.
        name: Name = "name",
        /// The address; it is kept in lower case.
        email: Email = "email",
        /// The password.
        password: Password = "password",
    }
}

form! {
    /// An address.
    Address {
        /// The address.
        email: Email = "email",
    }
}

form! {
    /// What was mailed: the token of the link, or the code with the address.
    Verification {
        /// The token of the link.
        token: Option<String> = "token",
        /// The address that the code was mailed to.
        email: Option<Email> = "email",
        /// The code.
        code: Option<String> = "code",
    }
}

/// POST /api/auth/register, whoever `USHER_SIGN_UP` lets, REGISTER.
async fn sign_up(
    State(app): State<App>,
    From(origin): From,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Registration>,
) -> Result<Accepted, Problem> {
    let attempt = sent.attempt(&app, &format!("address {}", sent.form.email));
    let Registration {
        name,
        email,
        password,
    } = sent.form;
    if !app.sign_up.allows(&email) {
        return Err(Code::SignUpClosed.into());
    }
    check_owner(&password, "password", &name, &email)?;
    let charge = app.charge_mail(Rate::RegisterAddress, &origin, &email);
    app.limit(Author::nobody(&origin), &charge).await?;
    app.leaks.check(&password, "password").await?;
    // Before it is known whether there is an account, so that it takes the same time.
    let password = app.passwords.hash(password, Owner::Address(&email)).await?;
    let one_time = OneTime::generate(&app.secret, Purpose::VerifyEmail, &email)?;
    let usual = verification(&app, &email, language, &one_time);
    let unusual = Message {
        template: Template::AccountExists,
        values: Vec::new(),
        ..usual.clone()
    };
    let mail = Mail::or(&app.secret, &usual, &unusual)?;
    let new = NewAccount {
        name: &name,
        email: &email,
        password: &password,
    };
    let connection = app.database.connection().await?;
    let author = Author::nobody(&origin).once(attempt.as_ref());
    accounts::register(&connection, author, &new, &one_time, &mail).await?;
    Ok(Accepted)
}

/// POST /api/auth/resend, anyone, `VERIFICATION_REQUEST`.
async fn send_again(
    State(app): State<App>,
    From(origin): From,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Address>,
) -> Result<Accepted, Problem> {
    let email = &sent.form.email;
    let charge = app.charge_mail(Rate::MailAddress, &origin, email);
    app.limit(Author::nobody(&origin), &charge).await?;
    let attempt = sent.attempt(&app, &format!("address {email}"));
    let one_time = OneTime::generate(&app.secret, Purpose::VerifyEmail, email)?;
    let message = verification(&app, email, language, &one_time);
    let mail = Mail::or_nothing(&app.secret, &message)?;
    let connection = app.database.connection().await?;
    let author = Author::nobody(&origin).once(attempt.as_ref());
    let sent = (&one_time, &mail);
    accounts::ask(&connection, author, Wish::Verification, email, sent).await?;
    Ok(Accepted)
}

/// POST /api/auth/verify-email, anyone with a secret from a mail, `EMAIL_VERIFY` or `SECRET_REFUSED`.
async fn verify(
    State(app): State<App>,
    From(origin): From,
    _: Query<Nothing>,
    sent: Repeatable<Verification>,
) -> Result<Done, Problem> {
    const PURPOSE: Purpose = Purpose::VerifyEmail;
    let sender = match &sent.form {
        Verification {
            token: Some(token), ..
        } => format!("secret {token}"),
        Verification { email, .. } => {
            format!("address {}", email.as_ref().map_or("", Email::as_str))
        }
    };
    let attempt = sent.attempt(&app, &sender);
    let shown = match &sent.form {
        Verification {
            token: Some(token),
            email: None,
            code: None,
        } => Token::parse(token).map(|token| Shown::token(PURPOSE, &token)),
        Verification {
            token: None,
            email: Some(email),
            code: Some(code),
        } => Some(Shown::code(&app.secret, PURPOSE, email, code)),
        _ => {
            let invalid = Invalid::new("required", "send a token, or an email with a code");
            return Err(Problem::invalid_at(Place::Pointer(String::new()), invalid));
        }
    };
    let mut charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    if let Some(email) = &sent.form.email {
        let whose = [email.as_str().as_bytes()];
        charge = charge.tries(Tries::Code, &whose).about(email);
    }
    let connection = app.database.connection().await?;
    let author = Author::nobody(&origin);
    let count_try = async {
        match &shown {
            Some(shown) => shown.count_try(&connection).await,
            None => Ok(false),
        }
    };
    let is_left = app
        .limit_beside(&connection, author, &charge, count_try)
        .await?;
    let author = author.once(attempt.as_ref());
    if let (Some(shown), true) = (shown, is_left)
        && accounts::verify(&connection, author, &shown, &charge).await?
    {
        return Ok(Done);
    }
    // The code of an attempt whose answer was lost has no tries any more.
    if let Some(attempt) = &attempt
        && accounts::was_done(&connection, attempt).await?
    {
        return Ok(Done);
    }
    accounts::record_refusal(&connection, Author::nobody(&origin), PURPOSE).await?;
    Err(Code::InvalidSecret.into())
}

/// Refuses a password that is little more than the name and the address of its owner.
pub(super) fn check_owner(
    password: &Password,
    member: &str,
    name: &Name,
    email: &Email,
) -> Result<(), Problem> {
    let refused = |invalid| Problem::invalid_at(Place::Pointer(format!("/{member}")), invalid);
    password.check_owner(name, email).map_err(refused)
}

fn verification(app: &App, email: &Email, language: Language, one_time: &OneTime) -> Message {
    let code = one_time.code.as_ref().map(|code| code.to_string());
    Message {
        recipient: email.clone(),
        template: Template::VerifyEmail,
        language,
        values: vec![
            ("link", app.link("verify", &one_time.token)),
            ("code", code.unwrap_or_default()),
        ],
    }
}
