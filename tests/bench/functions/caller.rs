//! Somebody who keeps one connection to a program.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Caller {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// Sends a request, and returns the body of the answer, which is to be a success.
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Bytes {
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().insert("host", host);
        self.sender.ready().await.unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{status} {body:?}");
        body
    }
}

/// Makes a request: with an access token unless it is empty, with JSON unless it is null.
pub(crate) fn request(method: &str, path: &str, token: &str, body: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_null() {
        return request.body(Full::default()).unwrap();
    }
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = request.header("content-type", kind);
    request.body(body.to_string().into()).unwrap()
}
