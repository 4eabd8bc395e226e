//! Queries: decoded once, strictly, every parameter known and none given twice.

use std::{borrow::Cow, collections::BTreeMap};

use axum::extract::{FromRequestParts, MatchedPath};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::json;
use usher_domain::Invalid;

use super::{Form, Member, Source};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    problem::{Fault, Place},
};

/// A form that is read from the query.
pub(crate) struct Query<F>(pub(crate) F);

impl<F: Form + Send> FromRequestParts<App> for Query<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let path = parts
            .extensions
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        let parameters = decode(parts.uri.query().unwrap_or_default(), path)?;
        F::read(Source::parameters(parameters))
            .map_err(Problem::invalid)
            .map(Self)
    }
}

impl<F: Form> Part for Query<F> {
    fn describe(docs: &mut Docs) {
        for member in F::members() {
            let is_list = member.schema["type"] == "array";
            let mut parameter = json!({
                "name": member.name,
                "in": "query",
                "description": member.meaning,
                "required": member.is_required,
                "schema": member.schema,
            });
            if is_list {
                parameter["style"] = json!("form");
                parameter["explode"] = json!(false);
            }
            docs.parameters.push(parameter);
        }
        docs.codes
            .extend([Code::MalformedQuery, Code::ValidationFailed]);
    }
}

/// The query that holds no parameter at all.
pub(crate) struct Nothing;

impl Form for Nothing {
    fn read(source: Source) -> Result<Self, Vec<Fault>> {
        let faults = source.finish();
        if faults.is_empty() {
            Ok(Self)
        } else {
            Err(faults)
        }
    }

    fn members() -> Vec<Member> {
        Vec::new()
    }
}

/// Splits and decodes a query. `path` is the matched route: the platform adds its parameters to the query, where a
/// caller can forge them, so they are passed over; ids come from the path alone.
fn decode(query: &str, path: &str) -> Result<BTreeMap<String, String>, Problem> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode_part(name)?, decode_part(value)?);
        if path.contains(&format!("{{{name}}}")) {
            continue;
        }
        if parameters.contains_key(&name) {
            return Err(Problem::invalid_at(
                Place::Parameter(name),
                Invalid::new("duplicate", "must be given once"),
            ));
        }
        parameters.insert(name, value);
    }
    Ok(parameters)
}

fn decode_part(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let is_encoded = spaced
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map(Cow::into_owned);
    decoded
        .ok()
        .filter(|_| is_encoded)
        .ok_or_else(|| Code::MalformedQuery.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_once() {
        let query = decode("q=a+b%2Bc%2526&limit=5&empty&x=", "/api/users").unwrap();
        assert_eq!(query["q"], "a b+c%26");
        assert_eq!(
            (
                query["limit"].as_str(),
                query["empty"].as_str(),
                query["x"].as_str()
            ),
            ("5", "", "")
        );
    }

    #[test]
    fn what_cannot_be_decoded_or_comes_twice_is_refused() {
        for text in ["q=%", "q=%4", "q=%zz", "q=%ff", "%f0%28=1"] {
            assert_eq!(
                decode(text, "").unwrap_err().code(),
                Code::MalformedQuery,
                "{text}"
            );
        }
        assert_eq!(
            decode("q=1&%71=2", "").unwrap_err().code(),
            Code::ValidationFailed
        );
    }

    #[test]
    fn a_parameter_of_the_path_is_passed_over() {
        assert!(
            decode("user_id=99&user_id=98", "/api/users/{user_id}")
                .unwrap()
                .is_empty()
        );
    }
}
