//! Bodies: JSON of at most 64 KiB.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value, json};
use usher_domain::Invalid;

use super::{Form, Source, form, json as strict};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    problem::Place,
};

/// The largest body that is read.
const MAX_BYTES: usize = 64 * 1024;

/// The longest a body may take to arrive; what follows has time left before the deadline of the request.
const ARRIVAL: Duration = Duration::from_secs(5);

/// A form that is read from the body, or nothing when the body is empty or an empty object.
pub(crate) struct OptionalBody<F>(pub(crate) Option<F>);

impl<F: Form> FromRequest<App> for OptionalBody<F> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = collect(body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_type(&parts.method, &parts.headers)?;
        let members = members(&bytes)?;
        if members.is_empty() {
            return Ok(Self(None));
        }
        parse(members).map(Some).map(Self)
    }
}

impl<F: Form> Part for OptionalBody<F> {
    fn describe(docs: &mut Docs) {
        describe::<F>(docs, false);
    }
}

pub(super) fn describe<F: Form>(docs: &mut Docs, is_required: bool) {
    let schema = form::schema(F::members());
    docs.body = Some(
        json!({ "required": is_required, "content": { "application/json": { "schema": schema } } }),
    );
    docs.codes.extend([
        Code::MalformedJson,
        Code::ValidationFailed,
        Code::BodyTooLarge,
        Code::BodyTimeout,
        Code::UnsupportedMediaType,
    ]);
}

/// A form of a foreign page cannot send JSON without asking first, so this also stops cross-site requests.
pub(super) fn check_type(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = Err(Code::UnsupportedMediaType.into());
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refused;
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(text), None) = (
        types.next().and_then(|text| text.to_str().ok()),
        types.next(),
    ) else {
        return refused;
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = parts.all(|part| {
        let part = part.to_ascii_lowercase();
        part.is_empty() || part == "charset=utf-8" || part == "charset=\"utf-8\""
    });
    let is_patch = method == Method::PATCH && essence == "application/merge-patch+json";
    if is_utf8 && (essence == "application/json" || is_patch) {
        Ok(())
    } else {
        refused
    }
}

pub(super) async fn collect(body: Body) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, MAX_BYTES).collect();
    let Ok(collected) = tokio::time::timeout(ARRIVAL, collected).await else {
        return Err(Code::BodyTimeout.into());
    };
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Code::BodyTooLarge.into()),
        Err(_) => Err(Problem::from(Code::MalformedJson).with_detail("The body broke off.")),
    }
}

pub(super) fn members(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    if bytes.is_empty() {
        let detail = "The body is empty; send a JSON object.";
        return Err(Problem::from(Code::MalformedJson).with_detail(detail));
    }
    let value = strict::read(bytes)
        .map_err(|reason| Problem::from(Code::MalformedJson).with_detail(reason))?;
    if let Value::Object(members) = value {
        return Ok(members);
    }
    let invalid = Invalid::new("type", "must be an object");
    Err(Problem::invalid_at(Place::Pointer(String::new()), invalid))
}

pub(super) fn parse<F: Form>(members: Map<String, Value>) -> Result<F, Problem> {
    F::read(Source::members(members)).map_err(Problem::invalid)
}
