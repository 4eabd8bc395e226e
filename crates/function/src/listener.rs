//! A plain HTTP listener: for containers, for the commands that run on a developer's machine, and for
//! tests.

use crate::{
    error::Error,
    otlp::{self, Exporter},
    stop::stop_signal,
};
use axum::{Router, body::Body};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tower::ServiceExt;
use usher_http::{App, ClientAddress};

/// How long requests in flight may take after the stop; each has a deadline of 8 seconds.
const DRAIN: Duration = Duration::from_secs(9);

/// The longest that the head of a request may take to arrive, and the longest that a connection may be idle.
const HEAD_ARRIVAL: Duration = Duration::from_secs(10);

/// How long is waited when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a connection to the database may be idle. It is short: where there are more instances than the database has
/// room for, another one waits for it.
const IDLE: Duration = Duration::from_secs(4);

/// Serves the router on an address until the process is told to stop.
pub(crate) async fn run(
    address: SocketAddr,
    router: Router,
    exporter: Option<Exporter>,
) -> Result<(), Error> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to a free port"))?;
    eprintln!("usher: listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = listen(listener, router, stop_signal()) => served?,
        () = drained() => {}
        () = otlp::run(exporter.as_ref()) => {}
    }
    otlp::flush(exporter.as_ref()).await;
    Ok(())
}

/// Polls a server of this instance, and meanwhile closes the connections that nobody uses and sends mails; a mail on its way
/// is waited for.
pub async fn looking_after<T>(app: &App, serving: impl Future<Output = T>) -> T {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = async {
        let served = tokio::select! {
            served = serving => served,
            never = close_idle(app) => match never {},
        };
        drop(stop);
        served
    };
    let mailing = app.mailer.run(&app.database, async {
        // Nothing is ever sent: the sender is dropped when serving ends.
        let _ = stopped.await;
    });
    tokio::join!(Box::pin(serving), Box::pin(mailing)).0
}

async fn close_idle(app: &App) -> Infallible {
    loop {
        sleep(IDLE / 8).await;
        app.database.close_idle(IDLE);
    }
}

/// Waits for the stop, and for as long as requests in flight may take: a caller who never finishes sending does not
/// keep the process.
async fn drained() {
    stop_signal().await;
    sleep(DRAIN).await;
}

/// Serves the router until `shutdown` is ready, then finishes the requests in flight.
///
/// The peer of the connection is the caller's address: nothing that a caller sends can change it. Who does not send the
/// head of a request in time, the next one on a connection included, is hung up on.
pub async fn listen(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_ARRIVAL);
    let connections = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, perhaps: others are closed meanwhile.
                    tracing::error!("cannot accept a connection: {error}");
                    sleep(PAUSE).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        // An answer is one small write, which must not wait for a bigger one.
        let _ = stream.set_nodelay(true);
        let address = ClientAddress(Some(peer.ip().to_canonical()));
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(address);
            router.clone().oneshot(request)
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        spawn(connections.watch(connection));
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the host itself: nothing freezes it"
)]
fn spawn(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async {
        // Callers who hang up are none of our business.
        let _ = connection.await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Extension, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::Notify,
    };

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: here\r\nx-real-ip: 6.6.6.6\r\n\
                       x-forwarded-for: 6.6.6.6\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_peer_is_the_caller_whatever_the_caller_sends() {
        let show =
            get(async |Extension(address): Extension<ClientAddress>| format!("{:?}", address.0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = listen(listener, Router::new().route("/", show), async {
            drop(stopped.await);
        });
        let client = async {
            let answer = ask(address).await;
            stop.send(()).unwrap();
            answer
        };
        let (outcome, answer) = tokio::join!(server, client);
        outcome.unwrap();
        assert!(answer.ends_with("Some(127.0.0.1)"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_finishes_the_head_of_a_request_is_hung_up_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = listen(listener, Router::new(), async {
            drop(stopped.await);
        });
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
            let started = tokio::time::Instant::now();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            drop(stop);
            started.elapsed()
        };
        let (outcome, waited) = tokio::join!(server, client);
        outcome.unwrap();
        assert!(
            waited >= HEAD_ARRIVAL && waited < 2 * HEAD_ARRIVAL,
            "{waited:?}"
        );
    }

    #[tokio::test]
    async fn a_request_in_flight_is_finished_after_the_stop() {
        static IN_FLIGHT: Notify = Notify::const_new();
        static GO_ON: Notify = Notify::const_new();
        let slow = get(async || {
            IN_FLIGHT.notify_one();
            GO_ON.notified().await;
            "finished"
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = async {
            IN_FLIGHT.notified().await;
            GO_ON.notify_one();
        };
        let server = listen(listener, Router::new().route("/", slow), stop);
        let (outcome, answer) = tokio::join!(server, ask(address));
        outcome.unwrap();
        assert!(answer.ends_with("finished"), "{answer}");
    }
}
