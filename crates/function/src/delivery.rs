//! The body of an answer on its way to the caller.
//!
//! It passes chunk by chunk, so a stream stays a stream, and it tells when it has been taken over
//! whole: until then the request is not over, and the process must neither be stopped nor suspended.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};
use sync_wrapper::SyncWrapper;
use tokio::sync::oneshot::Sender;
use vercel_runtime::Error;

/// A body that the Vercel runtime takes: unlike the body of axum it may be shared between threads.
pub(crate) struct Delivery {
    body: SyncWrapper<Body>,
    size_hint: SizeHint,
    is_end_stream: bool,
    /// Dropped with the body, which the receiver sees.
    _pending: Sender<Infallible>,
}

impl Delivery {
    /// Wraps a body; the sender is dropped when the body has been sent or given up.
    pub(crate) fn new(body: Body, pending: Sender<Infallible>) -> Self {
        let (size_hint, is_end_stream) = (body.size_hint(), body.is_end_stream());
        Self {
            body: SyncWrapper::new(body),
            size_hint,
            is_end_stream,
            _pending: pending,
        }
    }
}

impl HttpBody for Delivery {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let body = self.body.get_mut();
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        // Kept beside the body, because a shared reference cannot reach into it.
        let (size_hint, is_end_stream) = (body.size_hint(), body.is_end_stream());
        self.size_hint = size_hint;
        self.is_end_stream = is_end_stream;
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_end_stream
    }

    fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tokio::sync::oneshot::{Receiver, channel, error::TryRecvError};

    /// Yields what is sent to it, as a stream of events does.
    struct Stream(Option<Receiver<&'static str>>);

    impl HttpBody for Stream {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(receiver) = &mut self.0 else {
                return Poll::Ready(None);
            };
            let chunk = ready!(Pin::new(receiver).poll(context)).unwrap();
            self.0 = None;
            Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
        }
    }

    #[tokio::test]
    async fn a_delivery_ends_with_its_body_and_not_before() {
        let (sender, receiver) = channel();
        let (pending, mut delivered) = channel();
        let mut delivery = Delivery::new(Body::new(Stream(Some(receiver))), pending);
        assert!(!delivery.is_end_stream());
        sender.send("chunk").unwrap();
        let frame = delivery.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "chunk");
        assert_eq!(delivered.try_recv(), Err(TryRecvError::Empty));
        assert!(delivery.frame().await.is_none());
        drop(delivery);
        assert_eq!(delivered.try_recv(), Err(TryRecvError::Closed));
    }

    #[test]
    fn a_whole_body_keeps_its_length() {
        let delivery = Delivery::new(Body::from("1234"), channel().0);
        assert_eq!(delivery.size_hint().exact(), Some(4));
    }
}
