//! A plain HTTP listener: for containers, for the commands that run on a developer's machine, and for
//! tests.

use crate::{error::Error, stop::stop_signal};
use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::map_request,
    serve::ListenerExt,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, time::sleep};
use usher_http::ClientAddress;

/// How long requests in flight may take after the stop; each has a deadline of 8 seconds.
const DRAIN: Duration = Duration::from_secs(9);

/// Serves the router on an address until the process is told to stop.
pub(crate) async fn run(address: SocketAddr, router: Router) -> Result<(), Error> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to a free port"))?;
    eprintln!("usher: listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = listen(listener, router, stop_signal()) => served?,
        () = drained() => {}
    }
    Ok(())
}

/// Waits for the stop, and for as long as requests in flight may take: a caller who never finishes sending does not
/// keep the process.
async fn drained() {
    stop_signal().await;
    sleep(DRAIN).await;
}

/// Serves the router until `shutdown` is ready, then finishes the requests in flight.
///
/// The peer of the connection is the caller's address: nothing that a caller sends can change it.
pub async fn listen(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // An answer is one small write, which must not wait for a bigger one.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let service = router
        .layer(map_request(set_address))
        .into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn set_address(peer: ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    let address = peer.0.ip().to_canonical();
    request
        .extensions_mut()
        .insert(ClientAddress(Some(address)));
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Extension, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::{Notify, oneshot},
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
