//! Answers that say what went wrong, as problem details (RFC 9457).

use std::{error::Error, sync::Arc};

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use usher_core::{Constraint, Error as CoreError, sessions::Actor};
use usher_domain::{Invalid, Permission, RequestId};

use crate::Code;

/// Where a bad value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A JSON pointer into the body (RFC 6901).
    Pointer(String),
    /// A parameter of the query.
    Parameter(String),
    /// A header.
    Header(&'static str),
}

/// A value that breaks its rule.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) invalid: Invalid,
}

impl Fault {
    fn to_json(&self) -> Value {
        let (kind, place) = match &self.place {
            Place::Pointer(pointer) => ("pointer", pointer.as_str()),
            Place::Parameter(name) => ("parameter", name.as_str()),
            Place::Header(name) => ("header", *name),
        };
        json!({ kind: place, "code": self.invalid.code, "message": self.invalid.message })
    }
}

/// What went wrong with a request.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    faults: Vec<Fault>,
    members: Vec<(&'static str, Value)>,
    /// Stand in for what the status alone would say.
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self {
            code,
            detail: None,
            faults: Vec::new(),
            members: Vec::new(),
            headers: Vec::new(),
            source: None,
        }
    }
}

impl Problem {
    /// Returns the code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Adds what there is to say beyond the code; the caller sees it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what is for the log alone.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Refuses somebody for so many seconds.
    pub(crate) fn limited(seconds: i32) -> Self {
        let wait = (header::RETRY_AFTER, HeaderValue::from(seconds));
        Self {
            headers: vec![wait],
            ..Self::from(Code::TooManyRequests)
        }
    }

    /// Adds a member of its own (RFC 9457, section 3.2).
    #[must_use]
    pub(crate) fn with_member(mut self, name: &'static str, value: Value) -> Self {
        self.members.push((name, value));
        self
    }

    /// Says in `WWW-Authenticate` what is asked for (RFC 9470, section 3).
    #[must_use]
    pub(crate) fn with_challenge(mut self, challenge: String) -> Self {
        let challenge = HeaderValue::try_from(challenge).ok();
        self.headers
            .extend(challenge.map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
        self
    }

    pub(crate) fn invalid(faults: Vec<Fault>) -> Self {
        Self {
            faults,
            ..Self::from(Code::ValidationFailed)
        }
    }

    pub(crate) fn invalid_at(place: Place, invalid: Invalid) -> Self {
        Self::invalid(vec![Fault { place, invalid }])
    }

    pub(crate) fn lacks(permission: Permission) -> Self {
        Self::from(Code::Forbidden)
            .with_detail(format!("The permission {} is needed.", permission.as_str()))
    }

    /// Adds who was refused, for the log alone.
    pub(crate) fn by(self, actor: &Actor) -> Self {
        self.with_source(format!("user {}", actor.user.id))
    }

    /// Returns the cause, which is for operators alone.
    pub(crate) fn source_text(&self) -> Option<String> {
        self.source.as_ref().map(|source| chain(&**source))
    }

    /// Returns the body of the answer.
    fn body(&self, request: &RequestId) -> Value {
        let mut body = json!({
            "type": format!("/problems/{}", self.code.slug()),
            "title": self.code.title(),
            "status": self.code.status().as_u16(),
            "code": self.code.slug(),
            "detail": self.detail.as_deref().unwrap_or(self.code.remedy()),
            "requestId": request.as_str(),
        });
        if !self.faults.is_empty() {
            body["errors"] = self.faults.iter().map(Fault::to_json).collect();
        }
        for (name, value) in &self.members {
            body[*name] = value.clone();
        }
        body
    }

    /// Makes the answer that leaves the instance; the one place where a problem is logged.
    pub(crate) fn render(&self, request: &RequestId, allow: Option<&HeaderValue>) -> Response {
        let status = self.code.status();
        if status.is_server_error() {
            let source = self.source_text().unwrap_or_default();
            tracing::error!(target: "usher::request", request = request.as_str(), code = self.code.slug(), source, "a request failed");
        }
        if status == StatusCode::FORBIDDEN {
            let source = self.source_text().unwrap_or_default();
            tracing::warn!(target: "usher::refused", request = request.as_str(), code = self.code.slug(), source, "a request was refused");
        }
        let mut response = (status, self.body(request).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, self.challenge());
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("600"));
            }
            _ => {}
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow.clone());
        }
        response
    }

    /// RFC 6750, section 3.
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(match self.code {
            Code::Unauthenticated if self.detail.is_none() => {
                r#"Bearer realm="usher", error="invalid_token""#
            }
            // Nothing was presented that could be wrong.
            _ => r#"Bearer realm="usher""#,
        })
    }
}

/// The answer carries the problem; the router makes the body, since only it knows the id of the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<CoreError> for Problem {
    fn from(error: CoreError) -> Self {
        match &error {
            CoreError::Conflict(Constraint::EmailTaken) => Self {
                faults: vec![Fault {
                    place: Place::Pointer("/email".to_owned()),
                    invalid: Invalid::new("taken", "belongs to another user"),
                }],
                ..Self::from(Code::EmailTaken)
            },
            CoreError::Conflict(Constraint::UnknownRole) => Self::invalid_at(
                Place::Pointer("/roles".to_owned()),
                Invalid::new(
                    "unknown-role",
                    "must hold only registered roles; see /api/roles",
                ),
            ),
            CoreError::Conflict(Constraint::TooManyPasskeys) => Self::from(Code::TooManyPasskeys),
            CoreError::Conflict(Constraint::PasskeyTaken) => Self::from(Code::PasskeyTaken),
            CoreError::Conflict(Constraint::LastPasskey) => Self::from(Code::LastPasskey),
            CoreError::Conflict(Constraint::TooManyApiKeys) => Self::from(Code::TooManyApiKeys),
            CoreError::Conflict(Constraint::LastAdmin) => Self::from(Code::LastAdmin),
            CoreError::Conflict(Constraint::AuthorSignedOut) => Self::from(Code::Unauthenticated),
            CoreError::Conflict(Constraint::AuthorChanged) => Self::from(Code::Forbidden).with_detail(
                "Your roles changed while the request was under way, so nothing was done; send it again.",
            ),
            CoreError::Conflict(Constraint::KeyReused) => Self::from(Code::KeyReused),
            CoreError::Unavailable { .. } | CoreError::Slow(_) => {
                Self::from(Code::DatabaseUnavailable).with_source(error)
            }
            CoreError::SchemaOutdated { .. } => Self::from(Code::SchemaOutdated).with_source(error),
            // A key that was used and is not to be found was removed just then.
            CoreError::Conflict(Constraint::KeyUsed) | CoreError::Busy(_) => {
                Self::from(Code::Busy).with_source(error)
            }
            CoreError::Corrupt { .. }
            | CoreError::Driver { .. }
            | CoreError::Unaudited(_)
            | CoreError::Crypto(_) => Self::from(Code::Internal).with_source(error),
        }
    }
}

/// Returns an error with its causes on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
