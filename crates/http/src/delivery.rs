//! How a client keeps its refresh token: by itself, or in a cookie of the browser that no script can read.
//!
//! A request says `Usher-Session: cookie` to have it in a cookie. No page of another site can send that header, since this API
//! answers no question of CORS; nor is the cookie sent along with what another site begins (`SameSite=Strict`). The cookie
//! opens nothing but `/api/auth/refresh` and `/api/auth/logout`: everything else asks for an access token, which the page keeps
//! in memory (ASVS 5.0.0, 3.3 and 3.5.1 to 3.5.3).

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use serde_json::json;
use usher_core::sessions::IDLE_DAYS;
use usher_domain::Invalid;

use crate::{
    App, Code, Problem,
    describe::{Answer, Docs, Part},
    problem::Place,
};

const MODE: &str = "Usher-Session";
/// Browsers take a name that begins so only over HTTPS, from the host itself, for all of its paths (RFC 6265bis).
const COOKIE: &str = "__Host-usher-refresh";
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How the refresh token goes to the client, and comes back.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// In the body.
    Body,
    /// In a cookie, with the one that the request has, if any.
    Cookie(Option<String>),
}

/// An answer with the cookie that belongs to it.
pub(crate) struct Delivered<A> {
    answer: A,
    cookie: Option<String>,
}

impl Delivery {
    /// Adds the cookie to an answer that gives a refresh token.
    pub(crate) fn give<A>(&self, answer: A, token: &str) -> Delivered<A> {
        let seconds = i64::from(IDLE_DAYS) * 24 * 60 * 60;
        let cookie = self.is_cookie().then(|| cookie(token, seconds));
        Delivered { answer, cookie }
    }

    /// Takes the cookie away with an answer to whoever signs out.
    pub(crate) fn take<A>(&self, answer: A) -> Delivered<A> {
        let cookie = self.is_cookie().then(|| cookie("", 0));
        Delivered { answer, cookie }
    }

    /// Tells whether the refresh token goes into a cookie.
    pub(crate) fn is_cookie(&self) -> bool {
        matches!(self, Self::Cookie(_))
    }

    /// Returns the refresh token of a request that has it in the body or in the cookie, but not in both.
    pub(crate) fn token<'a>(&'a self, body: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
        match (self, body) {
            (Self::Body, token) => Ok(token),
            (Self::Cookie(token), None) => Ok(token.as_deref()),
            (Self::Cookie(_), Some(_)) => {
                let invalid = Invalid::new("ambiguous", "must not stand beside the cookie");
                Err(Problem::invalid_at(
                    Place::Pointer("/refreshToken".to_owned()),
                    invalid,
                ))
            }
        }
    }
}

fn cookie(token: &str, seconds: i64) -> String {
    format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

impl FromRequestParts<App> for Delivery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let mut modes = parts.headers.get_all(MODE).iter();
        let (first, second) = (modes.next(), modes.next());
        match (first.map(HeaderValue::as_bytes), second) {
            (None, _) => Ok(Self::Body),
            (Some(b"cookie"), None) => {
                check_site(&parts.headers, app)?;
                if parts.headers.contains_key(header::AUTHORIZATION) {
                    let detail = "Send the cookie or an access token, not both.";
                    return Err(Problem::from(Code::ValidationFailed).with_detail(detail));
                }
                Ok(Self::Cookie(cookie_of(&parts.headers)))
            }
            _ => {
                let invalid = Invalid::new("unknown", "must be `cookie`, or absent");
                Err(Problem::invalid_at(Place::Header(MODE), invalid))
            }
        }
    }
}

/// Refuses what a page of another origin sends. Whoever is no browser has neither header, and no cookies of somebody else.
fn check_site(headers: &HeaderMap, app: &App) -> Result<(), Problem> {
    let is = |name: HeaderName, wanted: &str| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| value.as_bytes() == wanted.as_bytes())
    };
    if is(SITE, "same-origin") && is(header::ORIGIN, app.origin()) {
        Ok(())
    } else {
        Err(Code::ForeignOrigin.into())
    }
}

/// Returns the one cookie of ours; of two nobody knows which one is right.
fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    let mut ours = pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    });
    let found = ours.next()?;
    ours.next().is_none().then(|| found.to_owned())
}

impl Part for Delivery {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": MODE,
            "in": "header",
            "description": "`cookie` for a page of the same origin: the refresh token goes into a cookie that no script reads, \
                            and comes from there.",
            "required": false,
            "schema": { "type": "string", "enum": ["cookie"] },
        }));
        docs.codes
            .extend([Code::ForeignOrigin, Code::ValidationFailed]);
    }
}

impl<A: IntoResponse> IntoResponse for Delivered<A> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        let cookie = self
            .cookie
            .and_then(|cookie| HeaderValue::try_from(cookie).ok());
        if let Some(mut cookie) = cookie {
            cookie.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl<A: Answer> Answer for Delivered<A> {
    fn describe(docs: &mut Docs) {
        A::describe(docs);
        for answer in &mut docs.answers {
            answer.headers = &[(
                "Set-Cookie",
                "The refresh token, with `Usher-Session: cookie`.",
            )];
        }
    }
}
