//! One connection to the collector for each time that something is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// So much of an answer is read; it is not looked at.
const ANSWER: usize = 64 * 1024;

/// The collector.
pub(super) struct Target {
    host: String,
    port: u16,
    is_secure: bool,
    authority: HeaderValue,
    /// The path before `/v1/traces`.
    base: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Target {
    /// Reads an address such as `https://collector.example.com:4318`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be an address such as https://collector.example.com:4318";
        let uri: Uri = text.trim().parse().map_err(|_| WRONG)?;
        let is_secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(WRONG),
        };
        let authority = uri.authority().ok_or(WRONG)?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(WRONG);
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_secure { 443 } else { 80 }),
            is_secure,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| WRONG)?,
            base: uri.path().trim_end_matches('/').to_owned(),
            headers: Vec::new(),
        })
    }

    /// Adds headers such as `api-key=secret,team=7`; values may be percent-encoded.
    pub(super) fn with_headers(mut self, text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be headers such as api-key=secret,team=7";
        for pair in text
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').ok_or(WRONG)?;
            let value = percent_encoding::percent_decode_str(value.trim()).collect::<Vec<_>>();
            let mut value = HeaderValue::from_bytes(&value).map_err(|_| WRONG)?;
            value.set_sensitive(true);
            let name = HeaderName::try_from(name.trim()).map_err(|_| WRONG)?;
            self.headers.push((name, value));
        }
        Ok(self)
    }

    /// Sends JSON documents to their paths.
    pub(super) async fn post<const N: usize>(
        &self,
        documents: [(&str, String); N],
    ) -> Result<(), Error> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        if self.is_secure {
            let name = ServerName::try_from(self.host.clone())?;
            let stream = TlsConnector::from(Arc::new(tls()?))
                .connect(name, stream)
                .await?;
            self.post_over(stream, documents).await
        } else {
            self.post_over(stream, documents).await
        }
    }

    async fn post_over<S, const N: usize>(
        &self,
        stream: S,
        documents: [(&str, String); N],
    ) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let sending = async move {
            for (path, document) in documents {
                self.send(&mut sender, path, document).await?;
            }
            Ok(())
        };
        // The connection moves only while it is polled, which ends with this function: no task is left behind.
        tokio::pin!(connection);
        tokio::select! {
            sent = sending => sent,
            ended = &mut connection => {
                ended?;
                Err("the collector hung up".into())
            }
        }
    }

    async fn send(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        path: &str,
        document: String,
    ) -> Result<(), Error> {
        let mut request = Request::post(format!("{}{path}", self.base))
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        sender.ready().await?;
        let answer = sender
            .send_request(request.body(Full::from(document))?)
            .await?;
        let status = answer.status();
        Limited::new(answer.into_body(), ANSWER).collect().await?;
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("{path} was answered with {status}").into())
        }
    }
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
