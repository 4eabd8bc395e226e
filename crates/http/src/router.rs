//! What every answer has in common, whoever serves it: functions, the local server and the tests.
//!
//! From the outside in: the id of the request, the deadline, problems made into bodies, headers, panics caught.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tower_http::catch_panic::CatchPanicLayer;
use usher_core::{
    secret,
    spent::{self, Spent},
};
use usher_domain::RequestId;

use crate::{App, Code, Endpoint, Problem, Telemetry, input::seen, limits};

/// The longest a request may take; the platform's own limit is higher, and says less.
const DEADLINE: Duration = Duration::from_secs(8);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The headers of every answer. An API has no pages, so a browser may do nothing at all with an answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=63072000; includeSubDomains",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Serves endpoints. A request for any other path is answered with a problem.
pub fn router(endpoints: &[Endpoint], app: App) -> Router {
    let mut router = Router::new();
    for endpoint in endpoints {
        let handlers = endpoint.operations().into_handlers();
        for alias in endpoint.aliases {
            router = router.route(alias, handlers.clone());
        }
        router = router.route(endpoint.path, handlers);
    }
    with_answers(router, app)
}

/// Gives the answers of a router what all answers have in common.
pub fn with_answers(router: Router<App>, app: App) -> Router {
    router
        .fallback(async || Problem::from(Code::NotFound))
        .method_not_allowed_fallback(async || Problem::from(Code::MethodNotAllowed))
        .layer(CatchPanicLayer::custom(on_panic))
        .layer(middleware::from_fn_with_state(app.clone(), around))
        .with_state(app)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands the panic over"
)]
fn on_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Problem::from(Code::Internal)
        .with_source(format!("panic: {text}"))
        .into_response()
}

async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let begun = app
        .telemetry
        .as_ref()
        .map(|_| Telemetry::begin(request.headers()));
    let id = request_id(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answered = tokio::time::timeout(DEADLINE, next.run(request));
    let (answered, spent, queries) = spent::measure(answered).await;
    let answered =
        answered.unwrap_or_else(|_| Problem::from(Code::DeadlineExceeded).into_response());
    let mut response = finish(answered, &id);
    let took = started.elapsed();
    if app.is_development() {
        add_timing(response.headers_mut(), took, spent);
    }
    if spent.mailed {
        app.mailer.notice();
    }
    if let Some(token) = spent.written {
        seen::give(&mut response, token);
    }
    if let Some(allowance) = spent.allowance {
        limits::give(&mut response, allowance);
    }
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let status = response.status().as_u16();
    if let (Some(telemetry), Some(begun)) = (&app.telemetry, begun) {
        telemetry.keep(begun.finish(id.clone(), &method, route, status, spent, &queries));
    }
    tracing::info!(
        target: "usher::request",
        request = id.as_str(),
        %method,
        route,
        status,
        milliseconds = milliseconds(took),
        database_milliseconds = milliseconds(spent.statements),
        connection_milliseconds = milliseconds(spent.connections),
        round_trips = spent.waits,
        replica = spent.replica,
        "answered"
    );
    response
}

/// Shows a developer's browser what the time went into (`Server-Timing`, W3C).
fn add_timing(headers: &mut HeaderMap, took: Duration, spent: Spent) {
    let mut text = format!(
        "total;dur={}, database;dur={};desc=\"{} round trips\", connection;dur={}",
        milliseconds(took),
        milliseconds(spent.statements),
        spent.waits,
        milliseconds(spent.connections),
    );
    if let Some(outcome) = spent.replica {
        text.push_str(", replica;desc=");
        text.push_str(outcome);
    }
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(SERVER_TIMING, value);
    }
}

/// Returns a duration in milliseconds, to a hundredth of one.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

/// Takes the caller's id of the request, so that it can be found in two logs, or makes one.
fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    given
        .and_then(RequestId::parse)
        .unwrap_or_else(secret::request_id)
}

/// Returns a problem as the answer to a request that no router saw.
pub fn unrouted(problem: Problem) -> Response {
    finish(problem.into_response(), &secret::request_id())
}

fn finish(response: Response, id: &RequestId) -> Response {
    let problem = response.extensions().get::<Arc<Problem>>().cloned();
    let mut response = match problem {
        Some(problem) => problem.render(id, response.headers().get(header::ALLOW)),
        None => response,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
