//! Hostile input: a clear refusal, nothing written, nothing told.

use axum::body::Body;
use http::{Method, header};
use serde_json::json;
use usher_http::access::Access;
use usher_tests::TestApp;

use crate::operations;

#[tokio::test]
async fn what_is_no_acceptable_json_is_refused_everywhere() {
    let t = operations::start().await;
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies = [
        "{",
        "nonsense",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":1e400}",
        "{} {}",
        "{\"name\":\"a\nb\"}",
        "\u{feff}{}",
        "{'name':1}",
        &deep,
    ];
    for (operation, _) in operations::with_body() {
        let caller = operation.caller(&t);
        let (method, path) = (operation.method, operation.path);
        for body in bodies {
            let answer = caller.json(&method, &path, body).await;
            assert_eq!(
                answer.problem(400),
                "malformed-json",
                "{method} {path}: {body:.40}"
            );
        }
        for body in ["[]", "null", "1", "\"text\"", "true"] {
            assert_eq!(
                caller.json(&method, &path, body).await.faults(),
                [" type"],
                "{method} {path}: {body}"
            );
        }
    }
    assert!(t.audit().await.is_empty());
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let t = operations::start().await;
    for (operation, _) in operations::with_body() {
        let caller = operation.caller(&t);
        let (method, path) = (operation.method, operation.path);
        for kind in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/json",
            "application/json; charset=latin1",
            "application/jsonx",
        ] {
            let request = caller
                .request(&method, &path)
                .header(header::CONTENT_TYPE, kind);
            let answer = caller.send(request.body(Body::from("{}")).unwrap()).await;
            assert_eq!(
                answer.problem(415),
                "unsupported-media-type",
                "{method} {path}: {kind}"
            );
        }
        let request = caller
            .request(&method, &path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip");
        assert_eq!(
            caller
                .send(request.body(Body::from("{}")).unwrap())
                .await
                .problem(415),
            "unsupported-media-type"
        );
        let request = caller
            .request(&method, &path)
            .header(header::CONTENT_TYPE, "Application/JSON;charset=UTF-8");
        assert_ne!(
            caller
                .send(request.body(Body::from("{}")).unwrap())
                .await
                .status(),
            415,
            "{method} {path}"
        );
    }
    let request = t
        .admin()
        .request(&Method::PATCH, "/api/users/4")
        .header(header::CONTENT_TYPE, "application/merge-patch+json");
    t.admin()
        .send(request.body(Body::from("{}")).unwrap())
        .await
        .expect(200);
}

#[tokio::test]
async fn a_body_has_a_largest_size() {
    let t = operations::start().await;
    for (operation, _) in operations::with_body() {
        let caller = operation.caller(&t);
        let (method, path) = (operation.method, operation.path);
        let large = format!("{{\"name\":\"{}\"}}", "a".repeat(64 * 1024));
        assert_eq!(
            caller.json(&method, &path, &large).await.problem(413),
            "body-too-large",
            "{method} {path}"
        );
    }
    let spaces = format!("{}{{\"name\":\"Mem\"}}", " ".repeat(60 * 1024));
    t.admin()
        .json(&Method::PATCH, "/api/users/4", &spaces)
        .await
        .expect(200);
}

#[tokio::test]
async fn the_permission_is_decided_before_the_body_is_read() {
    let t = TestApp::start().await;
    let guarded = operations::with_body().into_iter();
    for (operation, _) in guarded.filter(|(one, _)| matches!(one.access, Access::May(_))) {
        let (method, path) = (operation.method, operation.path);
        assert_eq!(
            t.anonymous().json(&method, &path, "{").await.problem(401),
            "unauthenticated"
        );
        assert_eq!(
            t.member().json(&method, &path, "{").await.problem(403),
            "forbidden"
        );
    }
}

#[tokio::test]
async fn a_text_holds_nothing_invisible() {
    let t = TestApp::start().await;
    for name in [
        "a\u{0}b",
        "a\u{1b}[31m",
        "a\r\nb",
        "a\u{202e}b",
        "a\u{2028}b",
        "a\u{85}b",
        "\u{feff}a\u{feff}b",
    ] {
        let answer = t
            .admin()
            .patch("/api/users/4", json!({ "name": name }))
            .await;
        assert_eq!(answer.faults(), ["/name unprintable"], "{name:?}");
    }
    for email in [
        "a\u{0}@example.com",
        "a@example.com\u{0}",
        "a@gıthub.com",
        "İ@example.com",
        "a\r\nBcc: b@example.com",
        "ａ@example.com",
    ] {
        let answer = t
            .admin()
            .patch("/api/users/4", json!({ "email": email }))
            .await;
        assert_eq!(answer.faults(), ["/email email"], "{email:?}");
    }
    let password =
        json!({ "name": "A", "email": "a@example.com", "password": "fifteen letters\u{0}" });
    assert_eq!(
        t.admin().post("/api/users", password).await.faults(),
        ["/password unprintable"]
    );
    let user = t
        .admin()
        .patch(
            "/api/users/4",
            json!({ "name": "=1+1 ' \" \\ <b> %00 😀 ñ" }),
        )
        .await
        .expect(200);
    assert_eq!(user["name"], "=1+1 ' \" \\ <b> %00 😀 ñ");
}

#[tokio::test]
async fn a_value_of_another_type_is_refused() {
    let t = TestApp::start().await;
    for value in [
        json!(1),
        json!(true),
        json!([]),
        json!({}),
        json!(null),
        json!(1.5),
    ] {
        assert_eq!(
            t.admin()
                .patch("/api/users/4", json!({ "name": value }))
                .await
                .faults(),
            ["/name type"],
            "{value}"
        );
        let login = t
            .anonymous()
            .post(
                "/api/auth/login",
                json!({ "email": value, "password": value }),
            )
            .await;
        assert_eq!(login.faults(), ["/email type", "/password type"], "{value}");
    }
    for value in [json!("true"), json!(1), json!(null)] {
        assert_eq!(
            t.admin()
                .patch("/api/users/4", json!({ "isActive": value }))
                .await
                .faults(),
            ["/isActive type"]
        );
    }
}

#[tokio::test]
async fn a_path_that_names_no_user_names_nobody() {
    let t = TestApp::start().await;
    for id in [
        "0",
        "-1",
        "+4",
        "04",
        "4.0",
        "4e0",
        "0x4",
        "9223372036854775808",
        "99999999999999999999999",
        "4%00",
        "%34%20",
        "4%2F5",
        "4%252F5",
        "..%2F4",
        "[user_id]",
        "%5Buser_id%5D",
        "{user_id}",
        "NaN",
        "null",
        "%FF",
        "4;x",
        "4,5",
        "\u{664}",
    ] {
        let id = id.replace('\u{664}', "%D9%A4");
        for path in [format!("/api/users/{id}"), format!("/api/users/{id}/roles")] {
            let code = t.admin().get(&path).await.problem(404);
            assert!(
                ["user-not-found", "not-found"].contains(&code.as_str()),
                "{path}: {code}"
            );
        }
    }
    t.admin()
        .get("/api/users/9223372036854775807")
        .await
        .problem(404);
    // One decoding gives the digit, and it is the same user as in plain.
    assert_eq!(t.admin().get("/api/users/%34").await.expect(200)["id"], 4);
}

#[tokio::test]
async fn headers_of_a_caller_decide_nothing() {
    let t = TestApp::start().await;
    let caller = t
        .admin()
        .with_header("x-forwarded-for", "6.6.6.6")
        .with_header("x-real-ip", "6.6.6.6")
        .with_header("forwarded", "for=6.6.6.6;host=evil.example")
        .with_header("x-forwarded-host", "evil.example")
        .with_header("x-http-method-override", "DELETE")
        .with_header("x-original-url", "/api/users/1")
        .with_header("x-user-id", "1");
    let answer = caller
        .post(
            "/api/users",
            json!({ "name": "A", "email": "a@example.com" }),
        )
        .await;
    answer.expect(201);
    assert!(answer.header("location").starts_with("/api/users/"));
    assert_eq!(t.audit().await[0]["ip"], "203.0.113.7");
}

#[tokio::test]
async fn a_strange_program_name_is_kept_as_plain_text() {
    let t = TestApp::start().await;
    let caller = t.admin();
    let request = caller
        .request(&Method::PATCH, "/api/users/4")
        .header(header::CONTENT_TYPE, "application/json");
    let mut request = request.body(Body::from("{\"name\":\"Mem\"}")).unwrap();
    let agent = http::HeaderValue::from_bytes(&[b"a\xff\xfe b".as_slice(), &[b'x'; 1000]].concat())
        .unwrap();
    request.headers_mut().insert(header::USER_AGENT, agent);
    caller.send(request).await.expect(200);
    let kept = t.audit().await[0]["user_agent"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(kept.chars().count(), 400);
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_is_refused() {
    let t = operations::start().await;
    let all = operations::all().into_iter();
    for operation in all.filter(|one| !matches!(one.access, Access::Scheduler)) {
        let path = format!("{}?x=1", operation.path);
        let answer = operation.call_at(&operation.caller(&t), &path).await;
        assert_eq!(answer.faults(), ["x unknown"], "{}", operation.name());
    }
    assert!(t.audit().await.is_empty());
}
