//! The description of the API and the answers agree.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use usher_http::openapi;
use usher_tests::{Answer, CRON_SECRET, PASSWORD, TestApp};

/// Follows a reference to its schema.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Tells what is wrong with a value under its schema: members too many or too few, other types.
fn disagreements(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let schema = resolve(document, schema);
    if let Some(choices) = schema["anyOf"].as_array() {
        let tries = choices
            .iter()
            .map(|choice| disagreements(document, choice, value, place));
        return tries.min_by_key(Vec::len).unwrap_or_default();
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Vec::new(),
    };
    let is_number = kind == "integer" && allowed.contains(&"number");
    if !allowed.contains(&kind) && !is_number {
        return vec![format!("{place} is {kind}, not {allowed:?}")];
    }
    let mut found = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(disagreements(
            document,
            &schema["items"],
            item,
            &format!("{place}/{index}"),
        ));
    }
    if let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    {
        let given: BTreeSet<_> = members.keys().map(String::as_str).collect();
        let required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        found.extend(
            required
                .filter(|name| !given.contains(name))
                .map(|name| format!("{place}/{name} is missing")),
        );
        for (name, member) in members {
            match properties.get(name) {
                Some(schema) => found.extend(disagreements(
                    document,
                    schema,
                    member,
                    &format!("{place}/{name}"),
                )),
                None => found.push(format!("{place}/{name} is not described")),
            }
        }
    }
    found
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let t = TestApp::with(&[("USHER_ENV", "development"), ("CRON_SECRET", CRON_SECRET)]).await;
    let (admin, document) = (t.admin(), openapi::document());
    let session = t.anonymous().sign_in("member@example.com", PASSWORD).await;
    let refresh = json!({ "refreshToken": session.body()["refreshToken"] });
    let new = json!({ "name": "Ada", "email": "ada@example.com" });
    let answers: Vec<(&str, &str, Answer)> = vec![
        ("post", "/api/auth/login", session),
        (
            "post",
            "/api/auth/login",
            t.anonymous().sign_in("member@example.com", "wrong").await,
        ),
        (
            "post",
            "/api/auth/login",
            t.anonymous().post("/api/auth/login", json!({})).await,
        ),
        (
            "post",
            "/api/auth/refresh",
            t.anonymous().post("/api/auth/refresh", refresh).await,
        ),
        (
            "get",
            "/api/auth/jwks",
            t.anonymous().get("/api/auth/jwks").await,
        ),
        ("get", "/api/health", t.anonymous().get("/api/health").await),
        (
            "get",
            "/api/health/live",
            t.anonymous().get("/api/health/live").await,
        ),
        ("get", "/api/me", admin.get("/api/me").await),
        ("get", "/api/me", admin.get("/api/me?fields=id").await),
        (
            "patch",
            "/api/me",
            admin.patch("/api/me", json!({ "name": "Root" })).await,
        ),
        (
            "get",
            "/api/users",
            admin.get("/api/users?limit=2&count=exact").await,
        ),
        (
            "get",
            "/api/users",
            admin.get("/api/users?fields=id,name").await,
        ),
        ("get", "/api/users", admin.get("/api/users?limit=0").await),
        (
            "post",
            "/api/users",
            admin.post("/api/users", new.clone()).await,
        ),
        ("post", "/api/users", admin.post("/api/users", new).await),
        (
            "get",
            "/api/users/{user_id}",
            admin.get("/api/users/4").await,
        ),
        (
            "get",
            "/api/users/{user_id}",
            admin.get("/api/users/99").await,
        ),
        (
            "patch",
            "/api/users/{user_id}",
            admin.patch("/api/users/4", json!({ "name": "Mem" })).await,
        ),
        (
            "get",
            "/api/users/{user_id}/roles",
            admin.get("/api/users/4/roles").await,
        ),
        (
            "put",
            "/api/users/{user_id}/roles",
            admin
                .put("/api/users/4/roles", json!({ "roles": ["auditor"] }))
                .await,
        ),
        (
            "put",
            "/api/users/{user_id}/roles",
            admin
                .put("/api/users/1/roles", json!({ "roles": ["user"] }))
                .await,
        ),
        ("get", "/api/roles", admin.get("/api/roles").await),
        (
            "get",
            "/api/audit-logs",
            admin.get("/api/audit-logs?limit=100").await,
        ),
        (
            "get",
            "/api/audit-logs",
            t.member().get("/api/audit-logs").await,
        ),
        (
            "get",
            "/api/cron/maintain",
            t.scheduler().get("/api/cron/maintain").await,
        ),
        (
            "get",
            "/api/cron/maintain",
            admin.get("/api/cron/maintain").await,
        ),
        (
            "delete",
            "/api/users/{user_id}",
            admin.delete("/api/users/4").await,
        ),
    ];
    for (method, path, answer) in answers {
        let what = format!("{method} {path} {}: {}", answer.status(), answer.text());
        let described = &document["paths"][path][method]["responses"][answer.status().to_string()];
        assert!(described.is_object(), "{what}");
        let kind = answer.header("content-type");
        if answer.status() == 204 {
            assert!(described["content"].is_null(), "{what}");
            continue;
        }
        let schema = &described["content"][kind]["schema"];
        assert!(schema.is_object(), "{what}: {kind}");
        let found = disagreements(&document, schema, &answer.body(), "");
        assert!(found.is_empty(), "{what}: {found:?}");
        for (name, _) in described["headers"].as_object().into_iter().flatten() {
            // Links are there when there is a next page, tokens when there is a replica, cookies when they are asked for.
            assert!(
                ["Link", "Consistency-Token", "Set-Cookie"].contains(&name.as_str())
                    || !answer.header(name).is_empty(),
                "{what}: no header {name}"
            );
        }
    }
}

#[test]
fn the_comparison_sees_what_is_wrong() {
    let document = json!({});
    let schema =
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] });
    for (value, fault) in [
        (json!({}), "/a is missing"),
        (json!({ "a": 1 }), "/a is integer, not [\"string\"]"),
        (json!({ "a": "", "b": 1 }), "/b is not described"),
        (json!([]), " is array, not [\"object\"]"),
    ] {
        assert_eq!(disagreements(&document, &schema, &value, ""), [fault]);
    }
}
