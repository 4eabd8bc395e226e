//! A client with one connection that it keeps.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail};
use axum::http::{Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::routes::{Call, Sent, Target, login};

/// Somebody who calls the server.
pub(super) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    place: SocketAddr,
    target: Arc<Target>,
    /// What the requests are sent with.
    pub(super) tokens: Tokens,
}

/// The tokens of a session, or none.
#[derive(Clone, Default)]
pub(super) struct Tokens {
    access: String,
    refresh: String,
}

impl Caller {
    /// Opens the connection.
    #[expect(
        clippy::disallowed_methods,
        reason = "a command is no function: nothing freezes it"
    )]
    pub(super) async fn connect(place: SocketAddr, target: &Arc<Target>) -> Result<Self> {
        let stream = TcpStream::connect(place)
            .await
            .context("cannot connect to the server")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            place,
            target: Arc::clone(target),
            tokens: Tokens::default(),
        })
    }

    /// Signs in to an account; the one with the number 0 is the administrator.
    pub(super) async fn sign_in(&mut self, account: usize) -> Result<()> {
        let request = login(self.target.world.account(account), &self.target);
        let answer = self.send(request).await?;
        self.tokens = read(&answer)?;
        Ok(())
    }

    /// Sends the next request, and waits for all of the answer.
    pub(super) async fn call(&mut self, call: Call) -> Result<()> {
        let request = call.request(&self.target, &self.tokens.refresh)?;
        let answer = self.send(request).await?;
        if call == Call::Refresh {
            self.tokens = read(&answer)?;
        }
        Ok(())
    }

    async fn send(&mut self, sent: Sent) -> Result<Bytes> {
        let Sent {
            method,
            path,
            body,
            expected,
        } = sent;
        let mut request = Request::builder()
            .method(&method)
            .uri(&path)
            .header(header::HOST, self.place.to_string());
        if !self.tokens.access.is_empty() {
            request = request.header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.tokens.access),
            );
        }
        if body.is_some() {
            let kind = if method == "PATCH" {
                "application/merge-patch+json"
            } else {
                "application/json"
            };
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let body = body
            .map(|body| Bytes::from(body.to_string()))
            .unwrap_or_default();
        self.sender
            .ready()
            .await
            .context("the server closed the connection")?;
        let answer = self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != expected {
            bail!(
                "{method} {path} was answered {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
        Ok(body)
    }
}

fn read(answer: &[u8]) -> Result<Tokens> {
    let answer: Value = serde_json::from_slice(answer)?;
    let token = |name: &str| answer[name].as_str().map(str::to_owned);
    let tokens = token("accessToken").zip(token("refreshToken"));
    let (access, refresh) = tokens.context("an answer has no tokens")?;
    Ok(Tokens { access, refresh })
}
