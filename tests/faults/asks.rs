//! Requests over real sockets that may be sent again, and what came back.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::{Method, Request};
use serde_json::Value;
use usher_tests::processes::client::{Answer, send};

/// Longer than any deadline: who waits for so long was left hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that can be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    body: Value,
    headers: Vec<(&'static str, String)>,
}

impl Ask {
    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path, Value::Null)
    }

    pub(crate) fn post(path: &str, body: Value) -> Self {
        Self::new(Method::POST, path, body)
    }

    pub(crate) fn patch(path: &str, body: Value) -> Self {
        Self::new(Method::PATCH, path, body)
    }

    pub(crate) fn put(path: &str, body: Value) -> Self {
        Self::new(Method::PUT, path, body)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path, Value::Null)
    }

    pub(crate) fn delete_with(path: &str, body: Value) -> Self {
        Self::new(Method::DELETE, path, body)
    }

    fn new(method: Method, path: &str, body: Value) -> Self {
        Self {
            method,
            path: path.to_owned(),
            body,
            headers: Vec::new(),
        }
    }

    /// Adds an access token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Adds the id by which the audit log knows the request.
    pub(crate) fn with_id(self, id: &str) -> Self {
        self.with("x-request-id", id.to_owned())
    }

    /// Adds the key that makes it safe to send the request again.
    pub(crate) fn with_key(self, key: &str) -> Self {
        self.with("idempotency-key", key.to_owned())
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends the request.
    pub(crate) async fn to(&self, address: SocketAddr) -> Reply {
        let started = Instant::now();
        let sent = send(address, self.request());
        let answer = tokio::time::timeout(PATIENCE, sent).await;
        Reply {
            answer: answer.ok().and_then(Result::ok),
            took: started.elapsed(),
        }
    }

    /// Returns the request as it is sent.
    pub(crate) fn request<B: From<String>>(&self) -> Request<B> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = if self.body.is_null() {
            String::new()
        } else {
            request = request.header("content-type", "application/json");
            self.body.to_string()
        };
        request.body(body.into()).unwrap()
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// None when the connection broke, or nothing came in twenty seconds.
    pub(crate) answer: Option<Answer>,
    pub(crate) took: Duration,
}

impl Reply {
    /// Returns the status, or 0 without an answer.
    pub(crate) fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |answer| answer.status)
    }

    /// Tells whether it was done.
    pub(crate) fn is_done(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// Tells whether the caller was told to come again.
    pub(crate) fn is_put_off(&self) -> bool {
        let header = |answer: &Answer| !answer.header("retry-after").is_empty();
        self.status() == 503 && self.answer.as_ref().is_some_and(header)
    }

    /// Returns the body of an answer that is to have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        match &self.answer {
            Some(answer) => answer.expect(status),
            None => panic!("no answer after {:?}", self.took),
        }
    }

    /// Returns what two replies to the same request have in common.
    pub(crate) fn shown(&self) -> (u16, String) {
        let text = Answer::text;
        (
            self.status(),
            self.answer.as_ref().map_or_else(String::new, text),
        )
    }
}
