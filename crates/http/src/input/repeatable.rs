//! Requests that write, with the key that makes it safe to send one again.
//!
//! The key stands in the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that comes again
//! with the same key, because its answer was lost, is answered alike and does nothing.

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use serde_json::json;
use usher_core::Attempt;
use usher_domain::Invalid;

use super::{Form, body};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    problem::Place,
};

const HEADER: &str = "Idempotency-Key";

/// The longest key, in characters; a UUID has 36.
const MAX_LENGTH: usize = 255;

/// The key of a request, if it has one.
pub(crate) struct Key {
    text: Option<String>,
    target: String,
}

/// A form that was sent, with the key of the request.
pub(crate) struct Repeatable<F> {
    pub(crate) form: F,
    key: Key,
    body: Bytes,
}

impl Key {
    /// Returns the attempt at a request without a body, when it has a key. `sender` keeps the keys of different callers
    /// apart.
    pub(crate) fn attempt(&self, app: &App, sender: &str) -> Option<Attempt> {
        self.attempt_with(app, sender, &[])
    }

    fn attempt_with(&self, app: &App, sender: &str, body: &[u8]) -> Option<Attempt> {
        let text = self.text.as_ref()?;
        Some(Attempt::new(&app.secret, sender, text, &self.target, body))
    }

    fn read(parts: &Parts) -> Result<Self, Problem> {
        Ok(Self {
            text: key(&parts.headers)?,
            target: format!("{} {}", parts.method, parts.uri.path()),
        })
    }
}

impl<F> Repeatable<F> {
    /// Returns the attempt, when the request has a key. `sender` keeps the keys of different callers apart.
    pub(crate) fn attempt(&self, app: &App, sender: &str) -> Option<Attempt> {
        self.key.attempt_with(app, sender, &self.body)
    }
}

impl FromRequestParts<App> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Self::read(parts)
    }
}

impl<F: Form> FromRequest<App> for Repeatable<F> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, content) = request.into_parts();
        let key = Key::read(&parts)?;
        body::check_type(&parts.method, &parts.headers)?;
        let body = body::collect(content).await?;
        let form = body::parse(body::members(&body)?)?;
        Ok(Self { form, key, body })
    }
}

impl Part for Key {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": HEADER,
            "in": "header",
            "description": "Makes it safe to send the request again when its answer was lost: a new UUID for each request, \
                            the same one for each try. It is remembered for a day.",
            "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": MAX_LENGTH },
        }));
        docs.codes.extend([Code::KeyReused, Code::ValidationFailed]);
    }
}

impl<F: Form> Part for Repeatable<F> {
    fn describe(docs: &mut Docs) {
        body::describe::<F>(docs, true);
        Key::describe(docs);
    }
}

/// Tells whether a request has a key, good or not.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER)
}

/// Returns the one key of a request, with the quotes of a structured field (RFC 9651) or without.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let is_good = !text.is_empty()
        && text.len() <= MAX_LENGTH
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b','));
    if !is_good || values.next().is_some() {
        let invalid = Invalid::new(
            "idempotency-key",
            "must be one key of 1 to 255 characters, such as a UUID",
        );
        return Err(Problem::invalid_at(Place::Header(HEADER), invalid));
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers).map_err(|_| ())
    }

    #[test]
    fn a_key_is_one_short_word() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"\"a-1\""]), read(&[b"a-1"]));
        assert_eq!(read(&[b"a-1"]), Ok(Some("a-1".to_owned())));
        let (longest, longer) = ("k".repeat(255), "k".repeat(256));
        assert_eq!(read(&[longest.as_bytes()]), Ok(Some(longest.clone())));
        for bad in [
            &b""[..],
            b"\"\"",
            b"\"a",
            b"a b",
            b"a,b",
            b"\xff",
            longer.as_bytes(),
        ] {
            assert_eq!(read(&[bad]), Err(()), "{bad:?}");
        }
        assert_eq!(read(&[b"a", b"b"]), Err(()));
    }
}
