//! Lists: a page of views, with the way to the next one.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, json_schema};
use serde::Serialize;
use usher_core::secret::Secret;
use usher_domain::Page;

use super::{Trimmed, View, json_response};
use crate::{
    describe::{Answer, AnswerDocs, Docs},
    input::Fields,
};

/// A page of a list, with the way to the next one.
#[derive(Debug)]
pub(crate) struct Listed<V> {
    views: Vec<V>,
    next: Option<String>,
    link: Option<String>,
    total: Option<i64>,
    fields: Option<Fields<V>>,
}

impl<V> Listed<V> {
    /// Makes the answer to a request for `uri`.
    pub(crate) fn new<T>(page: Page<T>, view: impl Fn(T) -> V, secret: &Secret, uri: &Uri) -> Self {
        let next = page.next.as_ref().map(|position| secret.seal(position));
        let link = next.as_ref().map(|cursor| link(uri, cursor));
        Self {
            views: page.rows.into_iter().map(view).collect(),
            next,
            link,
            total: None,
            fields: None,
        }
    }

    pub(crate) fn with_total(mut self, total: Option<i64>) -> Self {
        self.total = total;
        self
    }

    pub(crate) fn only(mut self, fields: Option<Fields<V>>) -> Self {
        self.fields = fields;
        self
    }
}

#[derive(Serialize)]
#[serde(bound = "V: View")]
struct Body<'a, V> {
    data: Vec<Trimmed<'a, V>>,
    page: PageView,
}

/// Where a list goes on.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PageView {
    /// The value of `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
    /// Whether there is a next page. Of a search, one can follow a page with fewer rows than asked for, or none.
    has_more: bool,
    /// How many there are on all pages; only when `count` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
}

impl<V: View> IntoResponse for Listed<V> {
    fn into_response(self) -> Response {
        let fields = self.fields.as_ref();
        let views = self.views.iter();
        let body = Body {
            data: views.map(|view| Trimmed { view, fields }).collect(),
            page: PageView {
                has_more: self.next.is_some(),
                next_cursor: self.next,
                total: self.total,
            },
        };
        let mut response = json_response(StatusCode::OK, &body);
        if let Some(link) = self.link.and_then(|link| HeaderValue::try_from(link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

impl<V: View> Answer for Listed<V> {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 200,
            meaning: "One page.",
            schema: Some(|generator| {
                let (item, page) = (
                    generator.subschema_for::<V>(),
                    generator.subschema_for::<PageView>(),
                );
                json_schema!({
                    "type": "object",
                    "properties": { "data": { "type": "array", "items": item }, "page": page },
                    "required": ["data", "page"],
                })
            }),
            headers: &[(
                "Link",
                "The next page as `rel=\"next\"` (RFC 8288), when there is one.",
            )],
        });
    }
}

/// RFC 8288: the same request with another cursor.
fn link(uri: &Uri, cursor: &str) -> String {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && percent_decode_str(name).ne(b"cursor".iter().copied())
    });
    let mut query: Vec<_> = kept.collect();
    let cursor = format!("cursor={cursor}");
    query.push(&cursor);
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}
