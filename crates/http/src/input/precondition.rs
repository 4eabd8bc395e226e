//! Conditions that a request sets for itself (RFC 9110, section 13).

use axum::extract::FromRequestParts;
use http::{header, request::Parts};
use serde_json::json;
use usher_domain::{Invalid, User};

use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    problem::Place,
};

/// The versions that a change may start from, out of the header `If-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// Any: there is no such header, or it says `*`.
    Any,
    /// One of these.
    Versions(Vec<i64>),
}

impl IfMatch {
    /// Tells whether the change may start from the user as it is.
    pub(crate) fn allows(&self, user: &User) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&user.version),
        }
    }
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let mut versions = Vec::new();
        let mut is_given = false;
        for value in parts.headers.get_all(header::IF_MATCH) {
            let text = value.to_str().unwrap_or_default();
            for tag in text.split(',').map(str::trim) {
                if tag == "*" {
                    return Ok(Self::Any);
                }
                let quoted = tag.strip_prefix("W/").unwrap_or(tag);
                let inner = quoted
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                let inner = inner.ok_or_else(unquoted)?;
                // A weak or foreign tag matches nothing (RFC 9110, section 13.1.1).
                if quoted == tag {
                    versions.extend(inner.parse::<i64>());
                }
                is_given = true;
            }
        }
        Ok(if is_given {
            Self::Versions(versions)
        } else {
            Self::Any
        })
    }
}

fn unquoted() -> Problem {
    let invalid = Invalid::new(
        "entity-tag",
        "must be * or entity tags in quotes, such as \"1\"",
    );
    Problem::invalid_at(Place::Header("If-Match"), invalid)
}

impl Part for IfMatch {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "description": "The `ETag` of the version that the change starts from; without it the latest.",
            "required": false,
            "schema": { "type": "string" },
        }));
        docs.codes.extend([
            Code::VersionMismatch,
            Code::EditConflict,
            Code::ValidationFailed,
        ]);
    }
}
