//! `/api/auth/login`: signing in with a password.

use std::sync::Arc;

use axum::extract::State;
use usher_core::{
    Author, Connection,
    factors::Ask,
    limits::{self, Charge, Rate},
    sessions::{self, LoginFailure, SignIn},
    users::{self, Credentials},
};
use usher_domain::{Action, Email, Factors, Method, Methods, Origin, PasswordAttempt, User};

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
    let (user, stored, must_verify, is_leaving, factors) = match found {
        Some(Credentials {
            user,
            password,
            must_verify,
            deletion_due_at,
            factors,
        }) => (
            Some(user),
            password,
            must_verify,
            deletion_due_at.is_some(),
            factors,
        ),
        None => (None, None, false, false, Factors::default()),
    };
    // Without an account this takes the same time and is wrong, so that the answers cannot be told apart.
    let known = stored.as_ref().zip(user.as_ref());
    let verdict = app.passwords.verify(login.password, known).await?;
    let connection = app.database.connection().await?;
    if let (Some(user), Some(stored)) = (&user, &stored)
        && verdict.is_right
        && user.is_active
        && !must_verify
    {
        let (rehashed, attempt) = (verdict.rehashed.as_ref(), attempt.as_ref());
        let right = Ask {
            user: user.id,
            checked: stored,
            rehashed,
            attempt,
        };
        let next = go_on(&app, &connection, &origin, (&delivery, &factors), &right);
        let (next, forgiven) = tokio::join!(next, limits::forgive(&connection, &charge));
        forgiven?;
        if let Some(shown) = next? {
            return Ok(shown);
        }
        if rehashed.is_some() {
            // Another sign-in of the same account renewed the hash first; the next one finds it.
            return Err(Code::Busy.into());
        }
    }
    let (failure, code) = refusal(user.as_ref(), verdict.is_right, must_verify, is_leaving);
    let user = user.map(|user| user.id);
    let record = sessions::record_failure(&connection, &origin, user, failure);
    if verdict.is_right {
        let (recorded, forgiven) = tokio::join!(record, limits::forgive(&connection, &charge));
        recorded.and(forgiven)?;
    } else {
        record.await?;
    }
    Err(code.into())
}

/// Goes on after a right password: with a session, or with the question for the second factor. There is neither when the account
/// was changed meanwhile.
async fn go_on(
    app: &App,
    connection: &Connection,
    origin: &Origin,
    (delivery, factors): (&Delivery, &Factors),
    right: &Ask<'_>,
) -> Result<Option<Delivered<Shown<SessionView>>>, Problem> {
    if !factors.are_none() {
        let question = challenge::required(connection, origin, factors, right).await?;
        return question.map_or(Ok(None), Err);
    }
    let sign_in = SignIn {
        user: right.user,
        checked: right.checked,
        rehashed: right.rehashed,
        attempt: right.attempt,
        methods: &Methods::one(Method::Password),
    };
    let session = sessions::start(connection, origin, &app.secret, sign_in).await?;
    let Some(session) = session else {
        return Ok(None);
    };
    leave_behind(app, connection, origin, delivery).await?;
    show(app, delivery, &session).map(Some)
}

/// Returns why nobody signs in, and what is told of it: all there is to whoever knows the password, and nothing to others.
fn refusal(
    user: Option<&User>,
    is_right: bool,
    must_verify: bool,
    is_leaving: bool,
) -> (LoginFailure, Code) {
    match user {
        None => (LoginFailure::UnknownAccount, Code::InvalidCredentials),
        Some(user) if is_right && user.is_active && must_verify => {
            (LoginFailure::UnverifiedEmail, Code::EmailUnverified)
        }
        Some(user) if is_right && !user.is_active && is_leaving => {
            (LoginFailure::DeletionPending, Code::DeletionPending)
        }
        Some(user) if is_right && !user.is_active => {
            (LoginFailure::InactiveAccount, Code::AccountInactive)
        }
        // With the right password, the account changed between the check and the sign-in.
        Some(_) => (LoginFailure::WrongPassword, Code::InvalidCredentials),
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
