//! Answers that are kept as a file.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::{View, json_response};
use crate::describe::{Answer, AnswerDocs, Docs};

/// A document that a browser saves instead of showing it (RFC 6266).
#[derive(Debug)]
pub(crate) struct Download<V> {
    pub(crate) view: V,
    /// What the file is called; a plain name.
    pub(crate) name: &'static str,
}

impl<V: View> IntoResponse for Download<V> {
    fn into_response(self) -> Response {
        let mut response = json_response(StatusCode::OK, &self.view);
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        if let Ok(disposition) = HeaderValue::try_from(disposition) {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        response
    }
}

impl<V: View> Answer for Download<V> {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 200,
            meaning: "Success.",
            schema: Some(schemars::SchemaGenerator::subschema_for::<V>),
            headers: &[("Content-Disposition", "Makes a browser save it as a file.")],
        });
    }
}
