//! Sends requests over a socket, as little as the tests need.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

impl Answer {
    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body, which is to be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    /// Returns the body of an answer that is to have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// Returns a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Where the platform says that every request comes from.
pub const CALLER: &str = "192.0.2.7";

/// Sends requests to a server, below a path.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    prefix: String,
    /// Counts the requests that the platform passes on, when it does.
    passed_on: Option<Arc<AtomicU64>>,
}

impl Client {
    /// Sends requests to this address.
    pub fn new(address: SocketAddr, prefix: &str) -> Self {
        Self {
            address,
            prefix: prefix.to_owned(),
            passed_on: None,
        }
    }

    /// Sends requests to a function as the platform passes them on, and counts them.
    pub(crate) fn of_platform(address: SocketAddr, requests: Arc<AtomicU64>) -> Self {
        Self {
            passed_on: Some(requests),
            ..Self::new(address, "")
        }
    }

    /// Sends GET, with an access token unless it is empty.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(
            self.request(&Method::GET, path, token)
                .body(Full::default())
                .unwrap(),
        )
        .await
    }

    /// Sends POST, with JSON unless it is null.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.json(self.request(&Method::POST, path, token), body)
            .await
    }

    /// Sends PATCH with JSON, for a version of what is changed.
    pub async fn patch(&self, path: &str, token: &str, version: &str, body: &Value) -> Answer {
        self.json(
            self.request(&Method::PATCH, path, token)
                .header("if-match", version),
            body,
        )
        .await
    }

    /// Sends DELETE, with an access token.
    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        let request = self.request(&Method::DELETE, path, token);
        self.send(request.body(Full::default()).unwrap()).await
    }

    async fn json(&self, request: Builder, body: &Value) -> Answer {
        let request = match body {
            Value::Null => request.body(Full::default()),
            body => request
                .header("content-type", "application/json")
                .body(body.to_string().into()),
        };
        self.send(request.unwrap()).await
    }

    fn request(&self, method: &Method, path: &str, token: &str) -> Builder {
        let uri = format!("{}{path}", self.prefix);
        // What a caller claims to be: no platform may believe it.
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("x-forwarded-for", "6.6.6.6");
        if token.is_empty() {
            request
        } else {
            request.header("authorization", format!("Bearer {token}"))
        }
    }

    async fn send(&self, mut request: Request<Full<Bytes>>) -> Answer {
        if let Some(requests) = &self.passed_on {
            let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
            pass_on(request.headers_mut(), number);
        }
        send(self.address, request)
            .await
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }
}

/// Adds what the platform adds to the request with this number.
pub fn pass_on(headers: &mut HeaderMap, number: u64) {
    headers.insert("x-real-ip", HeaderValue::from_static(CALLER));
    let invocation = HeaderValue::from_static("invocation");
    headers.insert("x-vercel-internal-invocation-id", invocation);
    headers.insert("x-vercel-internal-request-id", number.into());
}

/// Sends one request over a connection of its own.
pub async fn send(address: SocketAddr, mut request: Request<Full<Bytes>>) -> io::Result<Answer> {
    let host = address.to_string().parse().map_err(io::Error::other)?;
    request.headers_mut().entry("host").or_insert(host);
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let exchange = async move {
        let (parts, body) = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?
            .into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    };
    tokio::join!(exchange, connection).0
}
