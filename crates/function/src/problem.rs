//! The two answers that are given without the router: it could not be made, or it broke.

use axum::{Router, response::Response};
use http::{HeaderValue, header};
use usher_http::{Code, Problem, unrouted};

/// Until when nobody will have corrected the settings, in seconds.
const CORRECTION: HeaderValue = HeaderValue::from_static("60");

/// Returns a router that answers every request with 503: the settings of the deployment are wrong.
pub(crate) fn misconfigured() -> Router {
    Router::new().fallback(async || {
        let mut response = unrouted(Problem::from(Code::Misconfigured));
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, CORRECTION);
        response
    })
}

/// Returns the answer to a request whose handling broke outside the router.
pub(crate) fn broken() -> Response {
    unrouted(Problem::from(Code::Internal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        body::{Body, to_bytes},
        extract::Request,
    };
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_wrong_environment_is_answered_with_a_problem_on_every_path() {
        for path in ["/api/health", "/api/users/7"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = misconfigured().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 503);
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
            assert_eq!(response.headers()["retry-after"], "60");
            let id = response.headers()["x-request-id"]
                .to_str()
                .unwrap()
                .to_owned();
            let body = to_bytes(response.into_body(), 1024).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.contains(r#""code":"misconfigured""#), "{text}");
            assert!(text.contains(&format!(r#""requestId":"{id}""#)), "{text}");
        }
    }
}
