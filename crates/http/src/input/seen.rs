//! What a caller has seen, so that a replica shows them nothing older.
//!
//! An answer to a change carries a token in the header `Consistency-Token`; with a list the caller sends it back.

use axum::{extract::FromRequestParts, response::Response};
use http::{HeaderName, HeaderValue, request::Parts};
use serde_json::json;
use usher_domain::ConsistencyToken;

use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    problem::Place,
};

/// The name of the header, for people.
pub(crate) const NAME: &str = "Consistency-Token";

/// What its header means in an answer.
pub(crate) const MEANING: &str = "What was done is in lists that are asked for with this token. Only where there is a replica of the \
     database, and then in failures too: a change may have been made.";

const HEADER: HeaderName = HeaderName::from_static("consistency-token");

/// The newest token that a caller sent, if any. Several stand in one header with commas between, or in several.
pub(crate) struct Seen(pub(crate) Option<ConsistencyToken>);

impl FromRequestParts<App> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let mut newest = None;
        for value in parts.headers.get_all(HEADER) {
            for text in value.to_str().unwrap_or_default().split(',') {
                let token = ConsistencyToken::parse(text.trim())
                    .map_err(|invalid| Problem::invalid_at(Place::Header(NAME), invalid))?;
                newest = newest.max(Some(token));
            }
        }
        Ok(Self(newest))
    }
}

impl Part for Seen {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": NAME,
            "in": "header",
            "description": "The token of the last change of the caller, which the list is to show; it can be forgotten after 10 \
                            seconds (`DATABASE_REPLICA_MAX_LAG`). Of several, with commas between, the newest counts.",
            "required": false,
            "schema": { "type": "string" },
        }));
        docs.codes.insert(Code::ValidationFailed);
    }
}

/// Adds the token to an answer.
pub(crate) fn give(response: &mut Response, token: ConsistencyToken) {
    if let Ok(value) = HeaderValue::try_from(token.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
}
