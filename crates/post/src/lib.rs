//! Posts JSON documents to another service, such as a collector of telemetry or a mail API, or reads from one.
//!
//! There is one connection for each time that something is sent: nothing stays open while a function is frozen.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request, uri::Scheme};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// What may go wrong on the way to another service.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// So much of an answer is read, in bytes.
const ANSWER: usize = 256 * 1024;

/// The service.
#[derive(Clone, Debug)]
pub struct Target {
    host: String,
    port: u16,
    is_secure: bool,
    authority: HeaderValue,
    /// What comes before the path of each document.
    base: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Target {
    /// Reads an address such as `https://collector.example.com:4318`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
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
    pub fn with_headers(mut self, text: &str) -> Result<Self, &'static str> {
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

    /// Adds the header of a bearer token (RFC 6750).
    pub fn with_bearer(mut self, token: &str) -> Result<Self, &'static str> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| "must hold a token of visible ASCII")?;
        value.set_sensitive(true);
        self.headers.push((header::AUTHORIZATION, value));
        Ok(self)
    }

    /// Adds a header for one document.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends JSON documents to their paths.
    pub async fn post<const N: usize>(&self, documents: [(&str, String); N]) -> Result<(), Error> {
        let request = |(path, document): (&str, String)| {
            let request = self
                .request(Method::POST, path)
                .header(header::CONTENT_TYPE, "application/json");
            request.body(Full::from(document))
        };
        let requests = documents.into_iter().map(request);
        self.exchange(requests.collect::<Result<_, _>>()?).await?;
        Ok(())
    }

    /// Returns what the service has at a path.
    pub async fn get(&self, path: &str) -> Result<Bytes, Error> {
        let request = self.request(Method::GET, path).body(Full::default())?;
        let answers = self.exchange(vec![request]).await?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    fn request(&self, method: Method, path: &str) -> request::Builder {
        let path = format!("{}{path}", self.base);
        let path = if path.is_empty() { "/" } else { &path };
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, &self.authority);
        let headers = self.headers.iter();
        headers.fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }

    /// Sends requests one after the other, and returns what they were answered with.
    async fn exchange(&self, requests: Vec<Request<Full<Bytes>>>) -> Result<Vec<Bytes>, Error> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        if self.is_secure {
            let name = ServerName::try_from(self.host.clone())?;
            let stream = TlsConnector::from(Arc::new(tls()?))
                .connect(name, stream)
                .await?;
            exchange_over(stream, requests).await
        } else {
            exchange_over(stream, requests).await
        }
    }
}

async fn exchange_over<S>(
    stream: S,
    requests: Vec<Request<Full<Bytes>>>,
) -> Result<Vec<Bytes>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let sending = async move {
        let mut answers = Vec::new();
        for request in requests {
            answers.push(send(&mut sender, request).await?);
        }
        Ok(answers)
    };
    // The connection moves only while it is polled, which ends with this function: no task is left behind.
    tokio::pin!(connection, sending);
    let ended = tokio::select! {
        sent = &mut sending => return sent,
        ended = &mut connection => ended,
    };
    // The other end may hang up with its last answer, which is there already.
    match sending.await {
        Ok(answers) => Ok(answers),
        Err(error) => Err(ended.err().map_or(error, Into::into)),
    }
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Bytes, Error> {
    let path = request.uri().path().to_owned();
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER).collect().await?;
    if status.is_success() {
        Ok(body.to_bytes())
    } else {
        Err(format!("{path} was answered with {status}").into())
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
