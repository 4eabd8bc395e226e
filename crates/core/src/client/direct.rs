//! Whether a connection leads to the server itself, or to a pooler that lends it the sessions of others.
//!
//! When a connection begins, the other end tells which process serves it, for a request to cancel. The server tells the
//! truth, which `pg_backend_pid()` then confirms. A pooler serves a connection by one process after the other, and makes
//! a number up. The driver gives the number away only in a request to cancel, so one is written, into memory.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Client, Error,
    tls::{ChannelBinding, TlsConnect, TlsStream},
};

/// A request to cancel is its length, a code, the number of the process and a key, of four bytes each.
const REQUEST: usize = 16;
const PROCESS: Range<usize> = 8..12;

/// Tells whether the process that was told is the one that answers.
pub(super) async fn is_direct(client: &Client) -> Result<bool, Error> {
    let (told, answer) = tokio::join!(
        told(client),
        client.query_typed("select pg_backend_pid() as process", &[]),
    );
    let row = answer?.into_iter().next();
    let process: Option<i32> = row.map(|row| row.try_get("process")).transpose()?;
    Ok(process.is_some() && process == told)
}

/// Returns the number of the process that the other end told.
async fn told(client: &Client) -> Option<i32> {
    let paper = Paper::default();
    let token = client.cancel_token();
    token.cancel_query_raw(paper.clone(), Blank).await.ok()?;
    let written = paper.0.lock().unwrap_or_else(PoisonError::into_inner);
    // Before it there may be a question for TLS.
    let request = written.get(written.len().checked_sub(REQUEST)?..)?;
    let process = request.get(PROCESS)?.try_into().ok()?;
    Some(i32::from_be_bytes(process))
}

/// What is written to instead of a network. Whatever is asked of it, it says yes.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl AsyncRead for Paper {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paper {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Paper {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Stands where TLS would begin: what is written stays readable.
struct Blank;

impl TlsConnect<Paper> for Blank {
    type Stream = Paper;
    type Error = Infallible;
    type Future = Ready<Result<Paper, Infallible>>;

    fn connect(self, paper: Paper) -> Self::Future {
        ready(Ok(paper))
    }
}
