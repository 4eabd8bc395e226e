//! What goes out: views as JSON, with the headers that belong to them.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use usher_core::secret::Secret;
use usher_domain::Page;

use crate::{
    Code, Problem,
    describe::{Answer, AnswerDocs, Docs},
    input::Fields,
};

/// What is shown of something. Only what is named here ever leaves the instance.
pub trait View: Serialize + JsonSchema {
    /// The members, as Rust spells them.
    const FIELDS: &'static [&'static str];
}

/// Declares a view: each member with its meaning.
macro_rules! view {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $($(#[doc = $meaning:literal])+ $field:ident: $type:ty,)+
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, serde::Serialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase")]
        #[schemars(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[doc = $meaning])+ pub(crate) $field: $type,)+
        }

        impl $crate::answer::View for $name {
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];
        }
    };
}

pub(crate) use view;

/// A time as answers have it: RFC 3339 in UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp(pub(crate) OffsetDateTime);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

const ETAG: (&str, &str) = ("ETag", "The version, for `If-Match`.");

/// One thing, shown with its version when it has one.
#[derive(Debug)]
pub(crate) struct Shown<V> {
    view: V,
    version: Option<i64>,
    fields: Option<Fields<V>>,
}

impl<V> Shown<V> {
    pub(crate) fn new(view: V) -> Self {
        Self {
            view,
            version: None,
            fields: None,
        }
    }

    pub(crate) fn with_version(mut self, version: i64) -> Self {
        self.version = Some(version);
        self
    }

    pub(crate) fn only(mut self, fields: Option<Fields<V>>) -> Self {
        self.fields = fields;
        self
    }
}

impl<V: View> IntoResponse for Shown<V> {
    fn into_response(self) -> Response {
        let mut response = render(StatusCode::OK, &self.view, self.fields.as_ref());
        add_version(&mut response, self.version);
        response
    }
}

impl<V: View> Answer for Shown<V> {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 200,
            meaning: "As asked.",
            schema: Some(schemars::SchemaGenerator::subschema_for::<V>),
            headers: if V::FIELDS.contains(&"version") {
                &[ETAG]
            } else {
                &[]
            },
        });
    }
}

/// Something new, with where it is found.
#[derive(Debug)]
pub(crate) struct Created<V> {
    pub(crate) view: V,
    pub(crate) version: i64,
    pub(crate) location: String,
}

impl<V: View> IntoResponse for Created<V> {
    fn into_response(self) -> Response {
        let mut response = render(StatusCode::CREATED, &self.view, None);
        add_version(&mut response, Some(self.version));
        if let Ok(location) = HeaderValue::try_from(self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl<V: View> Answer for Created<V> {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 201,
            meaning: "Created.",
            schema: Some(schemars::SchemaGenerator::subschema_for::<V>),
            headers: &[("Location", "The path of what was created."), ETAG],
        });
    }
}

/// Done, with nothing to show.
#[derive(Debug)]
pub(crate) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answer for Done {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 204,
            meaning: "Done.",
            schema: None,
            headers: &[],
        });
    }
}

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

/// Where a list goes on.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PageView {
    /// The value of `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
    /// How many there are on all pages; only when `count` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
}

impl<V: View> IntoResponse for Listed<V> {
    fn into_response(self) -> Response {
        let data = self
            .views
            .iter()
            .map(|view| trimmed(view, self.fields.as_ref()))
            .collect::<Result<Vec<_>, _>>();
        let page = PageView {
            has_more: self.next.is_some(),
            next_cursor: self.next,
            total: self.total,
        };
        let mut response = match data {
            Ok(data) => json_response(StatusCode::OK, &json!({ "data": data, "page": page })),
            Err(error) => Problem::from(Code::Internal)
                .with_source(error)
                .into_response(),
        };
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
    let kept = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor"));
    let mut query: Vec<_> = kept.collect();
    let cursor = format!("cursor={cursor}");
    query.push(&cursor);
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

fn render<V: View>(status: StatusCode, view: &V, fields: Option<&Fields<V>>) -> Response {
    let rendered = match fields {
        None => serde_json::to_string(view),
        Some(_) => trimmed(view, fields).map(|value| value.to_string()),
    };
    match rendered {
        Ok(text) => with_json_type((status, text).into_response()),
        Err(error) => Problem::from(Code::Internal)
            .with_source(error)
            .into_response(),
    }
}

fn trimmed<V: View>(view: &V, fields: Option<&Fields<V>>) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(view)?;
    if let Some(fields) = fields {
        fields.trim(&mut value);
    }
    Ok(value)
}

/// Makes an answer of any JSON.
pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response {
    with_json_type((status, value.to_string()).into_response())
}

fn with_json_type(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The version as a strong entity tag (RFC 9110, section 8.8.3).
fn add_version(response: &mut Response, version: Option<i64>) {
    let tag = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
}
