//! What goes out: views as JSON, with the headers that belong to them.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Code, Problem,
    describe::{Answer, AnswerDocs, Docs},
    input::Fields,
};

mod download;
mod list;

pub(crate) use download::Download;
pub(crate) use list::Listed;

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

const LOCATION: (&str, &str) = ("Location", "The path of what was created.");
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
            meaning: "Success.",
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
    /// The version, where it has one.
    pub(crate) version: Option<i64>,
    pub(crate) location: String,
}

impl<V: View> IntoResponse for Created<V> {
    fn into_response(self) -> Response {
        let mut response = render(StatusCode::CREATED, &self.view, None);
        add_version(&mut response, self.version);
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
            headers: if V::FIELDS.contains(&"version") {
                &[LOCATION, ETAG]
            } else {
                &[LOCATION]
            },
        });
    }
}

view! {
    /// That a request was taken in, and nothing about what comes of it.
    AcceptedView {
        /// `accepted`.
        status: &'static str,
    }
}

/// Taken in; what comes of it the owner of the address learns by mail. The answer is always the same.
#[derive(Debug)]
pub(crate) struct Accepted;

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let view = AcceptedView { status: "accepted" };
        render(StatusCode::ACCEPTED, &view, None)
    }
}

impl Answer for Accepted {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 202,
            meaning: "Taken in. The owner of the address learns the rest by mail, so this tells nothing about accounts.",
            schema: Some(schemars::SchemaGenerator::subschema_for::<AcceptedView>),
            headers: &[],
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

/// A view with the members that were asked for.
struct Trimmed<'a, V> {
    view: &'a V,
    fields: Option<&'a Fields<V>>,
}

impl<V: View> Serialize for Trimmed<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(fields) = self.fields else {
            return self.view.serialize(serializer);
        };
        let mut value = serde_json::to_value(self.view).map_err(serde::ser::Error::custom)?;
        fields.trim(&mut value);
        value.serialize(serializer)
    }
}

fn render<V: View>(status: StatusCode, view: &V, fields: Option<&Fields<V>>) -> Response {
    json_response(status, &Trimmed { view, fields })
}

/// Makes an answer of anything that is JSON.
pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => {
            let mut response = (status, text).into_response();
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Err(error) => Problem::from(Code::Internal)
            .with_source(error)
            .into_response(),
    }
}

/// The version as a strong entity tag (RFC 9110, section 8.8.3).
fn add_version(response: &mut Response, version: Option<i64>) {
    let tag = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
}
