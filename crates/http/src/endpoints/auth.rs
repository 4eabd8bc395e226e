//! `/api/auth`: staying signed in, signing out, and the keys that tell others who is.

use axum::{
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use schemars::JsonSchema;
use usher_core::{
    Author, Connection,
    limits::{self, Rate, device_token},
    refresh::RefreshToken,
    sessions::{self, Rotation, Session},
    tokens::{self, Presented},
};
use usher_domain::{Action, Clock, Invalid, Origin};

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
