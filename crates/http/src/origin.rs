//! Where a request comes from.

use std::{convert::Infallible, net::IpAddr};

use axum::extract::FromRequestParts;
use http::{header, request::Parts};
use serde_json::json;
use usher_domain::{Language, Origin, RequestId, UserAgent};

use crate::{
    App,
    describe::{Docs, Part},
};

/// The address of the caller, put into the extensions of a request by whoever took the request in.
///
/// It is the only source: headers that a caller can write are never believed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

/// The origin of a request, as the audit log keeps it.
pub(crate) struct From(pub(crate) Origin);

impl FromRequestParts<App> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self(origin(parts)))
    }
}

impl Part for From {
    fn describe(_: &mut Docs) {}
}

pub(crate) fn origin(parts: &Parts) -> Origin {
    let user_agent = parts.headers.get(header::USER_AGENT);
    Origin {
        ip: parts
            .extensions
            .get::<ClientAddress>()
            .and_then(|address| address.0),
        user_agent: user_agent
            .map(|text| UserAgent::from_text(&String::from_utf8_lossy(text.as_bytes()))),
        request_id: parts
            .extensions
            .get::<RequestId>()
            .cloned()
            .unwrap_or_else(RequestId::unknown),
    }
}

/// The language that the caller wants to be written to in.
pub(crate) struct Spoken(pub(crate) Language);

impl FromRequestParts<App> for Spoken {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE);
        let accepted = accepted.and_then(|value| value.to_str().ok());
        Ok(Self(Language::choose(accepted.unwrap_or_default())))
    }
}

impl Part for Spoken {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": "Accept-Language",
            "in": "header",
            "description": "The language of the mail: `en`, or `de`.",
            "required": false,
            "schema": { "type": "string" },
        }));
    }
}
