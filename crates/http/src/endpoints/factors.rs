//! `/api/me/factors` and `/api/users/{user_id}/factors`: second factors, taken and given up.
//!
//! Whatever adds to them or takes away asks for a proof of the last minutes, ends the other sessions of the account, and is told
//! to its owner by mail. Secrets and recovery codes are shown once, by the answer that makes them.

use std::sync::Arc;

use axum::extract::State;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use usher_core::{
    Connection,
    factors::{self, NewCodes, State as Stage, totp},
    mails::Mail,
};
use usher_domain::{Action, Email, Factor, Language, Message, Template, User, grants::UsersUpdate};

use crate::{
    App, Code, Operations, Problem,
    access::{Own, Recent, Target, check_recent},
    answer::{Done, Shown, Timestamp, view},
    input::{Key, Nothing, Query, Repeatable, form},
    origin::Spoken,
};

pub(crate) fn own() -> Operations {
    Operations::default().get("Lists the own second factors.", list)
}

pub(crate) fn own_totp() -> Operations {
    Operations::default()
        .post(
            "Begins with an authenticator app: returns a secret, which is not in force yet.",
            begin,
        )
        .audits(Action::FactorBegin)
        .fails_with(&[Code::FactorExists])
        .delete(
            "Removes the own authenticator app with its recovery codes, and signs out everywhere else.",
            remove,
        )
        .audits(Action::FactorRemove)
        .fails_with(&[Code::FactorNotFound, Code::ShortPassword])
}

pub(crate) fn own_totp_confirm() -> Operations {
    Operations::default()
        .post(
            "Puts an authenticator app in force with its first code, returns recovery codes, and signs out everywhere else.",
            confirm,
        )
        .audits(Action::FactorAdd)
        .fails_with(&[Code::FactorExists, Code::FactorNotFound, Code::InvalidCode])
}

pub(crate) fn own_recovery_codes() -> Operations {
    Operations::default()
        .post(
            "Makes ten new recovery codes in place of those that there are.",
            renew,
        )
        .audits(Action::RecoveryCodesRenew)
        .fails_with(&[Code::FactorNotFound])
}

pub(crate) fn of_user() -> Operations {
    Operations::default()
        .delete(
            "Removes all second factors of a user who has lost them, and signs the user out everywhere.",
            remove_all,
        )
        .audits(Action::FactorRemove)
        .fails_with(&[Code::FactorNotFound, Code::ReauthenticationRequired])
}

view! {
    /// A second factor.
    FactorView {
        /// `totp`: an authenticator app.
        kind: &'static str,
        /// Since when it is in force.
        created_at: Timestamp,
        /// When it was last used.
        last_used_at: Option<Timestamp>,
    }
}

view! {
    /// The second factors of an account.
    FactorsView {
        /// Those in force.
        factors: Vec<FactorView>,
        /// How many recovery codes are left, each of which is good once in place of an authenticator app.
        recovery_codes_left: i64,
    }
}

view! {
    /// What an authenticator app needs. It is shown once, and not in force yet.
    TotpView {
        /// The secret, in base32.
        secret: String,
        /// The same for a QR code, as authenticator apps read it.
        uri: String,
    }
}

view! {
    /// Recovery codes. They are shown once.
    RecoveryCodesView {
        /// Ten codes, each good once.
        recovery_codes: Vec<String>,
    }
}

form! {
    /// The first code of an authenticator app.
    FirstCode {
        /// Six digits.
        code: String = "code",
    }
}

/// GET /api/me/factors, signed in.
async fn list(own: Own, _: Query<Nothing>) -> Result<Shown<FactorsView>, Problem> {
    let find =
        |connection: Arc<Connection>, user| async move { factors::find(&connection, user).await };
    let (_, standing) = own.read(find).await?;
    let totp = standing.totp.map(|totp| FactorView {
        kind: Factor::Totp.as_str(),
        created_at: Timestamp(totp.since),
        last_used_at: totp.last_used_at.map(Timestamp),
    });
    Ok(Shown::new(FactorsView {
        factors: totp.into_iter().collect(),
        recovery_codes_left: standing.recovery_codes,
    }))
}

/// POST /api/me/factors/totp, signed in with a recent proof, `FACTOR_BEGIN`.
async fn begin(
    State(app): State<App>,
    recent: Recent,
    _: Query<Nothing>,
    key: Key,
) -> Result<Shown<TotpView>, Problem> {
    let caller = &recent.caller;
    let attempt = key.attempt(&app, &caller.sender());
    let user = &caller.actor.user;
    let connection = app.database.connection().await?;
    let sent = (&app.secret, attempt.as_ref());
    let begun = factors::begin(&connection, caller.author(), user.id, sent).await?;
    let secret = begun.ok_or(Code::FactorExists)?.expose();
    Ok(Shown::new(TotpView {
        uri: uri(&app, &user.email, &secret),
        secret: secret.to_string(),
    }))
}

/// POST /api/me/factors/totp/confirm, signed in with a recent proof, `FACTOR_ADD` or `CODE_REFUSED`.
async fn confirm(
    State(app): State<App>,
    recent: Recent,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<FirstCode>,
) -> Result<Shown<RecoveryCodesView>, Problem> {
    let caller = &recent.caller;
    let attempt = sent.attempt(&app, &caller.sender());
    let attempt = attempt.as_ref();
    let (user, session) = (&caller.actor.user, caller.actor.session);
    let connection = app.database.connection().await?;
    let tried = factors::count_try(&connection, user.id, Stage::Begun, attempt).await?;
    let good = match &tried {
        Some(tried) => tried.check_totp(&app.secret, &sent.form.code)?,
        None => None,
    };
    let code = tried.as_ref().zip(good.as_ref());
    if code.is_some() || attempt.is_some() {
        let codes = NewCodes::generate(user.id, attempt)?;
        let mail = notice(&app, user, Template::SecondFactorAdded, language)?;
        let confirmation = factors::Confirmation {
            user: user.id,
            session,
            code,
            attempt,
        };
        let author = caller.author();
        let confirmed = factors::confirm(&connection, author, confirmation, codes, &mail).await?;
        if let Some(codes) = confirmed {
            return Ok(show(&codes));
        }
    }
    if tried.is_none() {
        let is_there = caller.actor.factors.contain(Factor::Totp);
        let code = if is_there {
            Code::FactorExists
        } else {
            Code::FactorNotFound
        };
        return Err(code.into());
    }
    factors::record_refused_code(&connection, caller.author(), user.id).await?;
    Err(Code::InvalidCode.into())
}

/// POST /api/me/factors/recovery-codes, signed in with a recent proof, `RECOVERY_CODES_RENEW`.
async fn renew(
    State(app): State<App>,
    recent: Recent,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    key: Key,
) -> Result<Shown<RecoveryCodesView>, Problem> {
    let caller = &recent.caller;
    let attempt = key.attempt(&app, &caller.sender());
    let attempt = attempt.as_ref();
    let user = &caller.actor.user;
    let codes = NewCodes::generate(user.id, attempt)?;
    let mail = notice(&app, user, Template::RecoveryCodesRenewed, language)?;
    let connection = app.database.connection().await?;
    let author = caller.author();
    let renewed = factors::renew(&connection, author, user.id, (codes, attempt), &mail).await?;
    Ok(show(&renewed.ok_or(Code::FactorNotFound)?))
}

/// DELETE /api/me/factors/totp, signed in with a recent proof, `FACTOR_REMOVE`.
async fn remove(
    State(app): State<App>,
    recent: Recent,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    key: Key,
) -> Result<Done, Problem> {
    let caller = &recent.caller;
    let attempt = key.attempt(&app, &caller.sender());
    let (user, session) = (&caller.actor.user, caller.actor.session);
    let mail = notice(&app, user, Template::SecondFactorRemoved, language)?;
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    if factors::remove_totp(&connection, author, user.id, session, &mail).await? {
        Ok(Done)
    } else if caller.actor.factors.contain(Factor::Totp) {
        Err(Code::ShortPassword.into())
    } else {
        Err(Code::FactorNotFound.into())
    }
}

/// DELETE /`api/users/{user_id}/factors`, users:update with a recent proof, `FACTOR_REMOVE`.
async fn remove_all(
    State(app): State<App>,
    target: Target<UsersUpdate>,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    key: Key,
) -> Result<Done, Problem> {
    check_recent(&app, &target.caller.actor).await?;
    let user = target.user.as_ref().ok_or(Code::UserNotFound)?;
    let attempt = key.attempt(&app, &target.caller.sender());
    let mail = notice(&app, user, Template::SecondFactorsReset, language)?;
    let connection = app.database.connection().await?;
    let author = target.caller.author().once(attempt.as_ref());
    if factors::remove_all(&connection, author, user.id, &mail).await? {
        Ok(Done)
    } else {
        Err(Code::FactorNotFound.into())
    }
}

fn show(codes: &NewCodes) -> Shown<RecoveryCodesView> {
    Shown::new(RecoveryCodesView {
        recovery_codes: codes.expose(),
    })
}

/// Makes the mail that tells the owner.
fn notice(app: &App, user: &User, template: Template, language: Language) -> Result<Mail, Problem> {
    let message = Message {
        recipient: user.email.clone(),
        template,
        language,
        values: Vec::new(),
    };
    Ok(Mail::new(&app.secret, &message)?)
}

/// Returns what authenticator apps read: the label says where the account is and whose it is.
fn uri(app: &App, email: &Email, secret: &str) -> String {
    let site = app.site_name();
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (issuer, account) = (encode(site), encode(email.as_str()));
    let (digits, period) = (totp::DIGITS, totp::STEP_SECONDS);
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={digits}&period={period}"
    )
}
