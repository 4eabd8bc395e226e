//! The API and the static files on one listener, until the process is told to stop.

use std::{io::ErrorKind, net::IpAddr, path::Path, time::Duration};

use anyhow::{Context, Error, Result, anyhow};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tower_http::services::ServeDir;

use crate::{output::tell, stop::Stop};

/// How long the requests in flight may take after the stop; each has a deadline of 8 seconds.
const DRAIN: Duration = Duration::from_secs(9);

/// A stop that takes longer than this is explained.
const SOON: Duration = Duration::from_millis(500);

/// Takes an address, or says what to do when it is not free.
pub(crate) async fn bind(host: IpAddr, port: u16) -> Result<TcpListener> {
    let bound = TcpListener::bind((host, port)).await;
    bound.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!("port {port} is in use: choose another one with --port, or end what uses it")
        }
        ErrorKind::PermissionDenied => {
            anyhow!("port {port} is not allowed to this user: choose one above 1023 with --port")
        }
        ErrorKind::AddrNotAvailable => {
            anyhow!("{host} is no address of this machine: choose another one with --host")
        }
        _ => Error::new(error).context(format!("cannot listen on {host} port {port}")),
    })
}

/// Serves until the stop, then finishes the requests in flight. A second stop does not wait for them.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: Stop) -> Result<()> {
    let (end, told_to_end) = oneshot::channel::<()>();
    let serving = usher_function::listen(listener, router, async {
        let _ = told_to_end.await;
    });
    let stopping = async {
        stop.wait().await;
        drop(end);
        let drained = async {
            sleep(SOON).await;
            tell("waiting for requests in flight; Ctrl-C again does not wait");
            sleep(DRAIN).await;
        };
        tokio::select! {
            () = stop.wait() => {}
            () = drained => {}
        }
    };
    tokio::select! {
        served = serving => served.context("the listener failed"),
        () = stopping => {
            tell("some requests were not finished");
            Ok(())
        }
    }
}

/// Adds the files of a folder to an API: for GET and HEAD outside of its own paths, when there is such a file.
pub(crate) fn with_files(api: Router, folder: &Path) -> Router {
    let files = ServeDir::new(folder);
    api.layer(middleware::from_fn_with_state(files, answer))
}

async fn answer(State(mut files): State<ServeDir>, request: Request, next: Next) -> Response {
    if !may_be_a_file(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let asked = Request::from_parts(parts.clone(), Body::empty());
    match files.try_call(asked).await {
        Ok(found) if found.status() != StatusCode::NOT_FOUND => {
            found.map(Body::new).into_response()
        }
        _ => next.run(Request::from_parts(parts, body)).await,
    }
}

fn may_be_a_file(method: &Method, path: &str) -> bool {
    let is_of_the_api = ["/api", "/.well-known"].iter().any(|base| {
        let rest = path.strip_prefix(base);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    !is_of_the_api && (method == Method::GET || method == Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_outside_of_the_api_may_be_a_file() {
        for path in ["/", "/robots.txt", "/apiary.html", "/a/api/b"] {
            assert!(may_be_a_file(&Method::GET, path), "{path}");
            assert!(may_be_a_file(&Method::HEAD, path), "{path}");
            assert!(!may_be_a_file(&Method::POST, path), "{path}");
        }
        for path in ["/api", "/api/", "/api/users", "/.well-known/jwks.json"] {
            assert!(!may_be_a_file(&Method::GET, path), "{path}");
        }
    }
}
