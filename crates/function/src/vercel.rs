//! The host adapter for Vercel, in production and under `vercel dev`.
//!
//! Its runtime cuts a request in flight when the process is told to stop, reports a request as over
//! before a stream has ended, loses the report when a handler panics, and puts the text of an error
//! unescaped into the answer. So a request here runs as background work that the runtime waits for,
//! lasts until its body has been sent, and never ends in an error.

use crate::{
    address, delivery::Delivery, error::Error, idle::Idle, otlp::Exporter, problem,
    stop::terminated, uri,
};
use axum::{Router, body::Body};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::{convert::Infallible, future::pending, sync::Arc};
use tokio::sync::oneshot;
use tower::ServiceExt;
use usher_http::App;
use vercel_runtime::{AppState, ResponseBody, service_fn};

/// What every request needs.
struct Function {
    router: Router,
    /// The path parameters that the platform adds to the query.
    parameters: Vec<&'static str>,
    /// None without an instance: then there are no connections.
    idle: Option<Idle>,
    /// Whose mails are sent after the answer.
    app: Option<App>,
    exporter: Option<Exporter>,
}

/// Serves the router until the platform stops the process; `parameters` are the path parameters that
/// the platform adds to the query.
pub(crate) async fn run(
    router: Router,
    parameters: Vec<&'static str>,
    app: Option<App>,
    exporter: Option<Exporter>,
) -> Result<(), Error> {
    let idle = app.as_ref().map(Idle::new);
    let function = Arc::new(Function {
        router,
        parameters,
        idle,
        app,
        exporter,
    });
    let stopping = stop(Arc::clone(&function));
    let service = service_fn(move |request: vercel_runtime::Request, state: AppState| {
        let function = Arc::clone(&function);
        async move { Ok(answer(function, request.map(Body::new), &state).await) }
    });
    tokio::select! {
        served = vercel_runtime::run(service) => served,
        never = stopping => match never {},
    }
}

/// Passes the stop on to the requests; the runtime ends when they have ended.
async fn stop(function: Arc<Function>) -> Infallible {
    terminated().await;
    if let Some(idle) = &function.idle {
        idle.stop();
    }
    pending().await
}

async fn answer(
    function: Arc<Function>,
    request: Request<Body>,
    state: &AppState,
) -> Response<ResponseBody> {
    let (answer, answered) = oneshot::channel();
    state.wait_until(async move {
        if let Some(idle) = &function.idle {
            idle.begin();
        }
        let request = from_platform(request, &function.parameters);
        let Ok(response) = function.router.clone().oneshot(request).await;
        let (pending, delivered) = oneshot::channel();
        if answer
            .send(response.map(|body| Delivery::new(body, pending)))
            .is_ok()
        {
            // Nothing is ever sent: the sender is dropped together with the body.
            let _ = delivered.await;
        }
        if let Some(exporter) = &function.exporter {
            exporter.flush().await;
        }
        if let Some(app) = &function.app {
            app.mailer.drain_new(&app.database).await;
        }
        if let Some(idle) = &function.idle {
            idle.end().await;
        }
    });
    // A panic has dropped the sender.
    let response = answered.await.unwrap_or_else(|_| {
        let (pending, _) = oneshot::channel();
        problem::broken().map(|body| Delivery::new(body, pending))
    });
    response.map(|body| ResponseBody(body.boxed()))
}

/// Makes of what the platform passes on the request that the caller sent.
fn from_platform(mut request: Request<Body>, parameters: &[&str]) -> Request<Body> {
    let address = address::of_vercel(request.headers());
    request.extensions_mut().insert(address);
    let uri = std::mem::take(request.uri_mut());
    *request.uri_mut() = uri::without_parameters(uri, parameters);
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{extract::Request, routing::any};
    use http::Uri;
    use usher_http::ClientAddress;
    use vercel_runtime::LogContext;

    async fn get(router: Router, uri: &str) -> (u16, String) {
        let request = Request::get(uri).header("x-real-ip", "192.0.2.1");
        let request = request.body(Body::empty()).unwrap();
        let state = AppState::new(LogContext::new(None, None, None));
        let parameters = vec!["user_id"];
        let function = Arc::new(Function {
            router,
            parameters,
            idle: None,
            app: None,
            exporter: None,
        });
        let response = answer(function, request, &state).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status.as_u16(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn the_router_sees_the_address_and_the_path_of_the_caller() {
        let echo = any(async |uri: Uri, request: Request| {
            let address = request
                .extensions()
                .get::<ClientAddress>()
                .unwrap()
                .0
                .unwrap();
            format!("{uri} {address}")
        });
        let router = Router::new().route("/api/users/{user_id}", echo);
        let answer = get(router, "/api/users/42?user_id=42&fields=id").await;
        assert_eq!(
            answer,
            (200, "/api/users/42?fields=id 192.0.2.1".to_owned())
        );
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_a_problem() {
        async fn break_down() -> &'static str {
            panic!("as the test wants")
        }
        let (status, body) = get(Router::new().fallback(break_down), "/").await;
        assert_eq!(status, 500);
        assert!(body.contains(r#""code":"internal""#), "{body}");
    }
}
