//! What a request was answered with.

use axum::response::Response;
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::Value;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the body as it came.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Returns the body as JSON, or null when it is empty.
    pub fn body(&self) -> Value {
        if self.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&self.body).unwrap()
        }
    }

    /// Returns the body of an answer that is to have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.body()
    }

    /// Returns the code of an answer that is to be a problem with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        let body = self.expect(status);
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{body}"
        );
        assert_eq!(body["requestId"], self.header("x-request-id"), "{body}");
        assert_eq!(body["status"], status, "{body}");
        body["code"].as_str().unwrap().to_owned()
    }

    /// Returns what is wrong with the values of an answer that is to be a failed validation: `place code`, sorted.
    #[track_caller]
    pub fn faults(&self) -> Vec<String> {
        assert_eq!(self.problem(400), "validation-failed", "{}", self.text());
        let body = self.body();
        let faults = body["errors"].as_array().unwrap();
        let mut faults: Vec<_> = faults
            .iter()
            .map(|fault| {
                let place = ["pointer", "parameter", "header"]
                    .iter()
                    .find_map(|kind| fault.get(kind))
                    .unwrap();
                format!(
                    "{} {}",
                    place.as_str().unwrap(),
                    fault["code"].as_str().unwrap()
                )
            })
            .collect();
        faults.sort();
        faults
    }
}
