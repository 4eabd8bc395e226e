//! What all answers have in common.

use http::Method;
use usher_http::{App, routes};
use usher_tests::{Person, TestApp};

const HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        "strict-transport-security",
        "max-age=63072000; includeSubDomains",
    ),
    ("x-frame-options", "DENY"),
];

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_the_id_of_the_request() {
    let t = TestApp::start().await;
    for answer in [
        t.admin().get("/api/me").await,
        t.admin().get("/api/nothing").await,
        t.anonymous().get("/api/me").await,
        t.anonymous().get("/").await,
        t.anonymous()
            .post("/api/auth/login", serde_json::json!({}))
            .await,
        t.anonymous()
            .request_without_body(&Method::TRACE, "/api/me")
            .await,
    ] {
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), value, "{}", answer.text());
        }
        assert_eq!(answer.header("x-request-id").len(), 16);
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn the_id_of_a_request_is_taken_when_it_is_harmless() {
    let t = TestApp::start().await;
    let answer = t
        .anonymous()
        .with_header("x-request-id", "abc-1.2:3_4")
        .get("/api/me")
        .await;
    assert_eq!(answer.body()["requestId"], "abc-1.2:3_4");
    for id in ["a b", "<script>", "a\"b", "", &"a".repeat(65)] {
        let answer = t
            .anonymous()
            .with_header("x-request-id", id)
            .get("/api/me")
            .await;
        assert_eq!(answer.header("x-request-id").len(), 16, "{id}");
    }
}

#[tokio::test]
async fn an_unknown_path_and_an_unknown_method_are_problems() {
    let t = TestApp::start().await;
    for path in [
        "/",
        "/api",
        "/api/users/",
        "/api/users/4/",
        "/api/Users",
        "/api//users",
        "/api/users/4/roles/x",
        "/.env",
        "/api/../api/users",
        "/metrics",
    ] {
        assert_eq!(
            t.admin().get(path).await.problem(404),
            "not-found",
            "{path}"
        );
    }
    for (method, path, allow) in [
        (Method::DELETE, "/api/users", "GET,HEAD,POST"),
        (Method::POST, "/api/users/4", "GET,HEAD,PATCH,DELETE"),
        (Method::GET, "/api/auth/login", "POST"),
        (Method::OPTIONS, "/api/me", "GET,HEAD,PATCH,DELETE"),
        (Method::TRACE, "/api/me", "GET,HEAD,PATCH,DELETE"),
    ] {
        let answer = t.anonymous().request_without_body(&method, path).await;
        assert_eq!(answer.problem(405), "method-not-allowed", "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let t = TestApp::start().await;
    let answer = t
        .admin()
        .request_without_body(&Method::HEAD, "/api/users/4")
        .await;
    assert_eq!(
        (answer.status(), answer.text(), answer.header("etag")),
        (200, "", "\"1\"")
    );
}

#[tokio::test]
async fn a_panic_is_one_failed_request_and_tells_nothing() {
    let t = TestApp::start().await;
    let endpoint = async || -> String { panic!("a secret in a panic") };
    let router = usher_http::with_answers(
        axum::Router::<App>::new().route("/panic", axum::routing::get(endpoint)),
        t.app.clone(),
    );
    let caller = t.caller_of(router, Person::Admin);
    for _ in 0..2 {
        let answer = caller.get("/panic").await;
        assert_eq!(answer.problem(500), "internal");
        assert!(!answer.text().contains("secret"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_has_eight_seconds() {
    let router =
        axum::Router::<App>::new().route("/slow", axum::routing::get(std::future::pending::<&str>));
    let app = usher_tests::app_without_database();
    let caller = usher_tests::Caller::new(usher_http::with_answers(router, app));
    let answer = caller.get("/slow").await;
    assert_eq!(answer.problem(503), "deadline-exceeded");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_function_answers_its_own_path_alone() {
    let t = TestApp::start().await;
    let caller = t.caller_of(
        usher_http::router(&[routes::USER], t.app.clone()),
        Person::Admin,
    );
    caller.get("/api/users/4").await.expect(200);
    for path in ["/api/users", "/api/me", "/api/users/4/roles"] {
        assert_eq!(caller.get(path).await.problem(404), "not-found");
    }
}

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let t = TestApp::start().await;
    let secrets = ["$argon2", "password", "refresh_hash", "refreshHash"];
    for person in [Person::Admin, Person::Auditor] {
        for path in [
            "/api/users",
            "/api/users/4",
            "/api/me",
            "/api/users/4/roles",
            "/api/roles",
            "/api/audit-logs",
            "/api/health",
        ] {
            let answer = t.caller(person).get(path).await;
            for secret in secrets {
                assert!(!answer.text().contains(secret), "{path}: {}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn a_developer_sees_what_the_time_went_into_and_nobody_else_does() {
    let t = TestApp::with(&[("USHER_ENV", "development")]).await;
    let timing = t.admin().get("/api/me").await;
    let timing = timing.header("server-timing");
    assert!(
        timing.starts_with("total;dur=") && timing.contains(";desc=\"1 round trips\""),
        "{timing}"
    );
    let t = TestApp::start().await;
    assert_eq!(t.admin().get("/api/me").await.header("server-timing"), "");
}
