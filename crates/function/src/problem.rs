//! The two answers that are given without the router: it could not be made, or it broke.

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use http::header;
use usher_http::Code;

/// Returns a router that answers every request with 503: the settings of the deployment are wrong.
pub(crate) fn misconfigured() -> Router {
    Router::new().fallback(async || ([(header::RETRY_AFTER, "60")], problem(Code::Misconfigured)))
}

/// Returns the answer to a request whose handling broke outside the router.
pub(crate) fn broken() -> Response {
    problem(Code::Internal)
}

/// Writes a problem document. The texts are constants without quotes, so nothing needs escaping.
fn problem(code: Code) -> Response {
    let (status, slug, title) = (code.status().as_u16(), code.slug(), code.title());
    let detail = code.remedy();
    let document = format!(
        r#"{{"type":"/problems/{slug}","title":"{title}","status":{status},"code":"{slug}","detail":"{detail}"}}"#
    );
    let headers = [
        (header::CONTENT_TYPE, "application/problem+json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (code.status(), headers, Body::from(document)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::to_bytes, extract::Request};
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
            let body = to_bytes(response.into_body(), 1024).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.contains(r#""code":"misconfigured""#), "{text}");
        }
    }
}
