//! Somebody who sends requests.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body::Frame;
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use tower::ServiceExt;
use usher_http::ClientAddress;

use crate::Answer;

/// The address that requests come from.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// Somebody who sends requests, with an access token or without.
#[derive(Clone)]
pub struct Caller {
    router: Router,
    headers: Vec<(String, String)>,
    address: Option<IpAddr>,
}

impl Caller {
    /// Returns somebody without an account.
    pub fn new(router: Router) -> Self {
        Self {
            router,
            headers: vec![("user-agent".to_owned(), "test/1".to_owned())],
            address: Some(ADDRESS),
        }
    }

    /// Talks to another router.
    pub(crate) fn to(self, router: Router) -> Self {
        Self { router, ..self }
    }

    /// Sends requests from another address; from none that is known when it is not one.
    #[must_use]
    pub fn at(self, address: &str) -> Self {
        let address = address.parse().ok();
        Self { address, ..self }
    }

    /// Adds an access token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.request_without_body(&Method::GET, path).await
    }

    /// Sends DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.request_without_body(&Method::DELETE, path).await
    }

    /// Sends DELETE with a body.
    pub async fn delete_with(&self, path: &str, body: Value) -> Answer {
        self.json(&Method::DELETE, path, &body.to_string()).await
    }

    /// Sends any method with no body.
    pub async fn request_without_body(&self, method: &Method, path: &str) -> Answer {
        self.send(self.request(method, path).body(Body::empty()).unwrap())
            .await
    }

    /// Sends POST.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(&Method::POST, path, &body.to_string()).await
    }

    /// Sends PATCH.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(&Method::PATCH, path, &body.to_string()).await
    }

    /// Sends PUT.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.json(&Method::PUT, path, &body.to_string()).await
    }

    /// Sends any text as JSON.
    pub async fn json(&self, method: &Method, path: &str, body: &str) -> Answer {
        let request = self
            .request(method, path)
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    /// Begins any request.
    pub fn request(&self, method: &Method, path: &str) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(ClientAddress(self.address));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Sends a request.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let Ok(response) = self.router.clone().oneshot(request).await;
        Answer::read(response).await
    }

    /// Sends JSON whose last byte comes after something else has happened: who may send it was checked before.
    pub async fn send_late(
        &self,
        method: &Method,
        path: &str,
        body: Value,
        meanwhile: impl Future<Output = ()>,
    ) -> Answer {
        let (rest, body_rest) = oneshot::channel();
        let is_awaited = Arc::new(Notify::new());
        let late = Late {
            rest: Some(body_rest),
            is_awaited: Arc::clone(&is_awaited),
        };
        let request = self
            .request(method, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::new(late))
            .unwrap();
        let happen = async {
            is_awaited.notified().await;
            meanwhile.await;
            rest.send(Bytes::from(body.to_string())).unwrap();
        };
        tokio::join!(self.send(request), happen).0
    }

    /// Signs in and returns the whole answer.
    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/api/auth/login",
            serde_json::json!({ "email": email, "password": password }),
        )
        .await
    }
}

/// A body that comes when it is sent, and tells when somebody waits for it.
struct Late {
    rest: Option<oneshot::Receiver<Bytes>>,
    is_awaited: Arc<Notify>,
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.is_awaited.notify_one();
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let bytes = ready!(Pin::new(rest).poll(context)).unwrap();
        self.rest = None;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
