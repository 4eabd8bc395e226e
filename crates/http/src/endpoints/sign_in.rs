//! `/api/auth/login`: signing in with a password.

use std::sync::Arc;

use axum::extract::State;
use usher_core::{
    Author, Connection,
    factors::{self, Ask},
    limits::{self, Charge, Rate},
    sessions::{self, LoginFailure, SignIn},
    users::{self, Credentials},
};
use usher_domain::{Action, Email, Factors, Method, Methods, Origin, PasswordAttempt};

use super::{
    auth::{SessionView, leave_behind, show},
    challenge,
};
use crate::{
    App, Code, Operations, Problem,
    answer::Shown,
    delivery::{Delivered, Delivery},
    input::{Nothing, Query, Repeatable, form},
    origin::From,
};

pub(crate) fn login() -> Operations {
    Operations::default()
        .post("Signs in with e-mail address and password.", sign_in)
        .audits(Action::Login)
        .fails_with(&[
            Code::InvalidCredentials,
            Code::AccountInactive,
            Code::DeletionPending,
            Code::EmailUnverified,
            Code::SecondFactorRequired,
            Code::TooManyRequests,
            Code::Busy,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// What somebody signs in with.
    Login {
        /// The address.
        email: Email = "email",
        /// The password.
        password: PasswordAttempt = "password",
        /// What the last sign-in or refresh on this device gave. With it, what strangers try does not hold up the owner.
        device_token: Option<String> = "deviceToken",
    }
}

/// POST /api/auth/login, anyone, LOGIN, `LOGIN_CHALLENGE` or `LOGIN_FAILED`.
async fn sign_in(
    State(app): State<App>,
    From(origin): From,
    delivery: Delivery,
    _: Query<Nothing>,
    sent: Repeatable<Login>,
) -> Result<Delivered<Shown<SessionView>>, Problem> {
    let attempt = sent.attempt(&app, &format!("address {}", sent.form.email));
    let login = sent.form;
    let email = &login.email;
    let charge = app.charge_anonymous(Rate::LoginAddress, &origin).sign_in(
        email,
        origin.ip,
        login.device_token.as_deref(),
    );
    let found = find(&app, &origin, &charge, email).await?;
    let known = found
        .as_ref()
        .and_then(|found| Some((found.password.as_ref()?, &found.user)));
    // Without an account this takes the same time and is wrong, so that the answers cannot be told apart.
    let verdict = app.passwords.verify(login.password, known).await?;
    let connection = app.database.connection().await?;
    if let (Some(found), Some((checked, user))) = (&found, known)
        && verdict.is_right
        && user.is_active
        && !found.must_verify
    {
        let (rehashed, attempt) = (verdict.rehashed.as_ref(), attempt.as_ref());
        let right = Ask {
            user: user.id,
            checked,
            rehashed,
            attempt,
            charge: &charge,
        };
        let next = go_on(
            &app,
            &connection,
            &origin,
            (&delivery, &found.factors),
            &right,
        )
        .await?;
        if let Some(shown) = next {
            return Ok(shown);
        }
        if rehashed.is_some() {
            // Another sign-in of the same account renewed the hash first; the next one finds it.
            return Err(Code::Busy.into());
        }
    }
    let (failure, code) = refusal(found.as_ref(), verdict.is_right);
    let user = found.map(|found| found.user.id);
    let record = sessions::record_failure(&connection, &origin, user, failure);
    if verdict.is_right {
        let (recorded, forgiven) = tokio::join!(record, limits::forgive(&connection, &charge));
        recorded.and(forgiven)?;
    } else {
        record.await?;
    }
    Err(code.into())
}

/// Goes on after a right password: with a session, or with the question for the second factor, which takes the try back when it is
/// answered. There is neither when the account was changed meanwhile.
async fn go_on(
    app: &App,
    connection: &Connection,
    origin: &Origin,
    (delivery, account): (&Delivery, &Factors),
    right: &Ask<'_>,
) -> Result<Option<Delivered<Shown<SessionView>>>, Problem> {
    if !account.are_none() {
        let asked = factors::ask(connection, origin, right).await?;
        return asked.map_or(Ok(None), |asked| Err(challenge::required(&asked)));
    }
    let sign_in = SignIn {
        user: right.user,
        checked: right.checked,
        rehashed: right.rehashed,
        attempt: right.attempt,
        methods: &Methods::one(Method::Password),
    };
    let started = sessions::start(connection, origin, &app.secret, sign_in);
    let forgiven = limits::forgive(connection, right.charge);
    let (session, forgiven) = tokio::join!(started, forgiven);
    let (Some(session), ()) = (session?, forgiven?) else {
        return Ok(None);
    };
    leave_behind(app, connection, origin, delivery).await?;
    show(app, delivery, &session).map(Some)
}

/// Returns why nobody signs in, and what is told of it: all there is to whoever knows the password, and nothing to others.
fn refusal(found: Option<&Credentials>, is_right: bool) -> (LoginFailure, Code) {
    let Some(found) = found else {
        return (LoginFailure::UnknownAccount, Code::InvalidCredentials);
    };
    let is_leaving = found.deletion_due_at.is_some();
    match (is_right, found.user.is_active) {
        (true, true) if found.must_verify => (LoginFailure::UnverifiedEmail, Code::EmailUnverified),
        (true, false) if is_leaving => (LoginFailure::DeletionPending, Code::DeletionPending),
        (true, false) => (LoginFailure::InactiveAccount, Code::AccountInactive),
        // With the right password, the account changed between the check and the sign-in.
        _ => (LoginFailure::WrongPassword, Code::InvalidCredentials),
    }
}

/// Counts a try to sign in, and returns whose account it is, in the same round trip.
async fn find(
    app: &App,
    origin: &Origin,
    charge: &Charge,
    email: &Email,
) -> Result<Option<Credentials>, Problem> {
    let find = |connection: Arc<Connection>| async move {
        let (refusal, found) = tokio::join!(
            limits::count(&connection, charge),
            users::find_credentials(&connection, email)
        );
        let (refusal, found) = (refusal?, found?);
        Ok((connection, refusal, found))
    };
    let (connection, refusal, found) = app.database.read(find).await?;
    app.admit(&connection, Author::nobody(origin), charge, refusal)
        .await?;
    Ok(found)
}
