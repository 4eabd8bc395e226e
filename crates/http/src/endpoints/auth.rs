//! `/api/auth`: signing in, staying signed in, signing out.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use schemars::JsonSchema;
use usher_core::{
    Author, Connection,
    limits::{self, Charge, Rate, device_token},
    refresh::RefreshToken,
    sessions::{self, LoginFailure, Rotation, Session, SignIn},
    tokens::{self, Presented},
    users::{self, Credentials},
};
use usher_domain::{Action, Clock, Email, Invalid, Method, Methods, Origin, PasswordAttempt, User};

use super::users::UserView;
use crate::{
    App, Code, Operations, Problem, access,
    answer::{Done, Shown, json_response, view},
    delivery::{Delivered, Delivery},
    describe::{Answer, AnswerDocs, Docs, Part},
    input::{Nothing, OptionalBody, Query, Repeatable, form},
    origin::From,
    problem::Place,
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
            Code::TooManyRequests,
            Code::Busy,
            Code::DatabaseUnavailable,
        ])
}

pub(crate) fn refresh() -> Operations {
    Operations::default()
        .post(
            "Exchanges a refresh token for new tokens; the same again within 10 seconds.",
            prolong,
        )
        .audits(Action::Refresh)
        .fails_with(&[
            Code::InvalidRefreshToken,
            Code::TooManyRequests,
            Code::DatabaseUnavailable,
        ])
}

pub(crate) fn logout() -> Operations {
    Operations::default()
        .post(
            "Ends the session of the access token, or of the refresh token in the body.",
            sign_out,
        )
        .audits(Action::Logout)
        .fails_with(&[Code::Unauthenticated, Code::DatabaseUnavailable])
}

pub(crate) fn jwks() -> Operations {
    Operations::default().get(
        "Returns the public keys that access tokens are signed with (RFC 7517).",
        keys,
    )
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

form! {
    /// A refresh token.
    Refresh {
        /// The token, as it was given at sign-in or at the last refresh; absent when the cookie has it.
        refresh_token: Option<String> = "refreshToken",
    }
}

view! {
    /// The tokens of a session.
    SessionView {
        /// Goes into the header `Authorization: Bearer …` (RFC 6750).
        access_token: String,
        /// `Bearer`.
        token_type: &'static str,
        /// How long the access token is valid, in seconds.
        expires_in: i64,
        /// Buys the next tokens, once; null when the cookie has it.
        refresh_token: Option<String>,
        /// Goes into the next sign-in on this device, for 180 days. It opens nothing.
        device_token: String,
        /// Who is signed in.
        user: UserView,
    }
}

/// POST /api/auth/login, anyone, LOGIN or `LOGIN_FAILED`.
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
    let (user, stored, must_verify, is_leaving) = match found {
        Some(Credentials {
            user,
            password,
            must_verify,
            deletion_due_at,
        }) => (Some(user), password, must_verify, deletion_due_at.is_some()),
        None => (None, None, false, false),
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
        let rehashed = verdict.rehashed.as_ref();
        let sign_in = SignIn {
            user: user.id,
            checked: stored,
            rehashed,
            attempt: attempt.as_ref(),
            methods: &Methods::one(Method::Password),
        };
        let started = sessions::start(&connection, &origin, &app.secret, sign_in);
        let forgiven = limits::forgive(&connection, &charge);
        let (session, forgiven) = tokio::join!(started, forgiven);
        if let (Some(session), ()) = (session?, forgiven?) {
            leave_behind(&app, &connection, &origin, &delivery).await?;
            return show(&app, &delivery, &session);
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

/// Ends the session whose cookie the browser had before it signed in: the new one takes its place (ASVS 5.0.0, 7.2.4).
pub(super) async fn leave_behind(
    app: &App,
    connection: &Connection,
    origin: &Origin,
    delivery: &Delivery,
) -> Result<(), Problem> {
    let before = match delivery {
        Delivery::Cookie(Some(token)) => RefreshToken::parse(token),
        Delivery::Cookie(None) | Delivery::Body => None,
    };
    if let Some(token) = before {
        sessions::end_by_token(connection, origin, &token, &app.secret).await?;
    }
    Ok(())
}

/// POST /api/auth/refresh, anyone with a refresh token, REFRESH or `REFRESH_REUSE`.
async fn prolong(
    State(app): State<App>,
    From(origin): From,
    delivery: Delivery,
    _: Query<Nothing>,
    sent: Repeatable<Refresh>,
) -> Result<Delivered<Shown<SessionView>>, Problem> {
    let text = delivery.token(sent.form.refresh_token.as_deref())?;
    if text.is_none() && !delivery.is_cookie() {
        let invalid = Invalid::new("required", "is required");
        return Err(Problem::invalid_at(
            Place::Pointer("/refreshToken".to_owned()),
            invalid,
        ));
    }
    let token = text.and_then(RefreshToken::parse);
    let token = token.ok_or(Code::InvalidRefreshToken)?;
    let attempt = sent.attempt(&app, &format!("session {}", token.session()));
    let attempt = attempt.as_ref();
    let charge = app.charge().address(Rate::RefreshAddress, origin.ip);
    let connection = app.database.connection().await?;
    let refusal = limits::count(&connection, &charge).await?;
    let author = Author::nobody(&origin);
    app.admit(&connection, author, &charge, refusal).await?;
    match sessions::rotate(&connection, &origin, &token, &app.secret, attempt).await? {
        Rotation::Renewed(session) => show(&app, &delivery, &session),
        Rotation::Refused | Rotation::Reused => Err(Code::InvalidRefreshToken.into()),
    }
}

/// POST /api/auth/logout, signed in or with a refresh token, LOGOUT.
async fn sign_out(
    State(app): State<App>,
    From(origin): From,
    OptionalToken(token): OptionalToken,
    delivery: Delivery,
    _: Query<Nothing>,
    OptionalBody(form): OptionalBody<Refresh>,
) -> Result<Delivered<Done>, Problem> {
    let text = form.as_ref().and_then(|form| form.refresh_token.as_deref());
    let text = delivery.token(text)?;
    match (token, text) {
        (Some(token), None) => {
            let connection = app.database.connection().await?;
            if !sessions::end(&connection, &origin, token).await? {
                return Err(Code::Unauthenticated.into());
            }
        }
        (None, Some(text)) => {
            if let Some(token) = RefreshToken::parse(text) {
                let connection = app.database.connection().await?;
                sessions::end_by_token(&connection, &origin, &token, &app.secret).await?;
            }
        }
        // Without a cookie there is nothing to end, and the browser is to forget what it has.
        (None, None) if delivery.is_cookie() => {}
        (None, None) => return Err(Code::Unauthenticated.into()),
        (Some(_), Some(_)) => {
            let detail = "Send the access token or the refresh token, not both.";
            return Err(Problem::from(Code::ValidationFailed).with_detail(detail));
        }
    }
    Ok(delivery.take(Done))
}

/// GET /api/auth/jwks, anyone.
async fn keys(State(app): State<App>, _: Query<Nothing>) -> Result<Keys, Problem> {
    Ok(Keys(app))
}

/// Shows the tokens of a session, the refresh token where the client wants to have it.
pub(super) fn show(
    app: &App,
    delivery: &Delivery,
    session: &Session,
) -> Result<Delivered<Shown<SessionView>>, Problem> {
    // An answer that is given again gives no more than the first one did.
    let access_token = app
        .tokens
        .issue(session.principal(), &session.proof, session.issued_at)?;
    let expires_in = tokens::LIFETIME - session.age;
    let refresh_token = session.refresh.expose();
    let view = SessionView {
        access_token,
        token_type: "Bearer",
        expires_in: expires_in
            .whole_seconds()
            .clamp(0, tokens::LIFETIME.whole_seconds()),
        refresh_token: (!delivery.is_cookie()).then(|| refresh_token.clone()),
        device_token: device_token(&app.secret, session.user.id, session.id, session.issued_at),
        user: UserView::from(&session.user),
    };
    Ok(delivery.give(Shown::new(view), &refresh_token))
}

/// The access token of the caller, who may have none; a bad one is refused. Its session may have ended: who signs out
/// again, since the answer was lost, is signed out.
struct OptionalToken(Option<Presented>);

impl FromRequestParts<App> for OptionalToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return access::token(parts, app).map(Some).map(Self);
        }
        Ok(Self(None))
    }
}

impl Part for OptionalToken {
    fn describe(docs: &mut Docs) {
        docs.optional_scheme = Some("accessToken");
    }
}

/// The public keys.
struct Keys(App);

impl IntoResponse for Keys {
    fn into_response(self) -> Response {
        let keys = self.0.tokens.keys().public(Clock::default().now());
        let mut response = json_response(StatusCode::OK, &keys);
        let caching = HeaderValue::from_static("public, max-age=300");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, caching);
        response
    }
}

view! {
    /// A JSON Web Key Set.
    KeysView {
        /// The keys; tokens name theirs by `kid`. The first one signs at present, the others will or did.
        keys: Vec<KeyView>,
    }
}

/// A public key on the curve P-256 (RFC 7518, section 6.2).
#[derive(Debug, serde::Serialize, JsonSchema)]
pub(crate) struct KeyView {
    kty: String,
    crv: String,
    x: String,
    y: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: String,
    alg: String,
}

impl Answer for Keys {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 200,
            meaning: "The keys.",
            schema: Some(schemars::SchemaGenerator::subschema_for::<KeysView>),
            headers: &[("Cache-Control", "How long the keys may be kept.")],
        });
    }
}
