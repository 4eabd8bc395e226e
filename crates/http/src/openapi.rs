//! The description of the API (`OpenAPI` 3.1), written from the routes and the signatures of their handlers.

use http::Method;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{Code, Endpoint, Operation, describe::Access, input::seen, limits, routes};

/// Returns the description of all routes.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
        });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for endpoint in routes::ALL {
        let item = path_item(endpoint, &mut generator);
        paths.insert(endpoint.path.to_owned(), item);
        for alias in endpoint.aliases {
            let pointer = endpoint.path.replace('/', "~1");
            paths.insert(
                (*alias).to_owned(),
                json!({ "$ref": format!("#/paths/{pointer}") }),
            );
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Usher",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "User management: users, credentials, sessions, roles and an audit log.",
            "license": { "name": "Apache-2.0 or MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "accessToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                "apiKey": { "type": "http", "scheme": "bearer", "bearerFormat": "usher_ak_…", "description": "An API key of /api/me/api-keys" },
                "cronSecret": { "type": "http", "scheme": "bearer", "description": "`CRON_SECRET`" },
                "healthToken": { "type": "http", "scheme": "bearer", "description": "`USHER_HEALTH_TOKEN`" },
            },
        },
    })
}

fn path_item(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let operations = endpoint.operations();
    let list = operations.list().iter();
    Value::Object(
        list.map(|operation| {
            let method = operation.method.as_str().to_ascii_lowercase();
            (method, describe(endpoint, operation, generator))
        })
        .collect(),
    )
}

fn describe(endpoint: &Endpoint, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": operation_id(endpoint, operation),
        "summary": operation.summary,
        "tags": [tag(endpoint)],
        "security": security(operation),
        "responses": responses(operation, generator),
    });
    if !operation.docs.parameters.is_empty() {
        described["parameters"] = json!(operation.docs.parameters);
    }
    if let Some(body) = &operation.docs.body {
        described["requestBody"] = body.clone();
        if operation.method == Method::PATCH {
            let content = &mut described["requestBody"]["content"];
            content["application/merge-patch+json"] = content["application/json"].clone();
        }
    }
    if let Some(permission) = operation.permission() {
        described["x-permission"] = json!(permission.as_str());
    }
    if let Some(action) = operation.action {
        described["x-audit-action"] = json!(action.as_str());
    }
    described
}

/// An empty requirement means that the caller may do without.
fn security(operation: &Operation) -> Value {
    match (operation.access(), operation.docs.optional_scheme) {
        (Access::Anyone, None) => json!([]),
        (Access::Anyone, Some(scheme)) => json!([{ scheme: [] }, {}]),
        (Access::Scheduler, _) => json!([{ "cronSecret": [] }]),
        (Access::SignedIn | Access::May(_), _) if operation.takes_keys() => {
            json!([{ "accessToken": [] }, { "apiKey": [] }])
        }
        (Access::SignedIn | Access::May(_), _) => json!([{ "accessToken": [] }]),
    }
}

/// With `fields`, an answer holds only some members of its views.
fn with_fields(mut schema: Value) -> Value {
    let some = json!({ "type": "object", "description": "With `fields`: the members that were asked for." });
    let view = match schema.pointer_mut("/properties/data/items") {
        Some(items) => items,
        None => &mut schema,
    };
    *view = json!({ "anyOf": [view.take(), some] });
    schema
}

fn responses(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let mut parameters = operation.docs.parameters.iter();
    let takes_fields = parameters.any(|parameter| parameter["name"] == "fields");
    for answer in &operation.docs.answers {
        let mut response = json!({ "description": answer.meaning });
        if let Some(schema) = answer.schema {
            let schema = json!(schema(generator));
            let schema = if takes_fields {
                with_fields(schema)
            } else {
                schema
            };
            response["content"] = json!({ "application/json": { "schema": schema } });
        }
        for (name, meaning) in answer.headers {
            response["headers"][name] =
                json!({ "description": meaning, "schema": { "type": "string" } });
        }
        if operation.action.is_some() {
            describe_header(&mut response, seen::NAME, seen::MEANING);
        }
        if operation.docs.codes.contains(&Code::TooManyRequests) {
            for (name, meaning) in limits::HEADERS {
                describe_header(&mut response, name, meaning);
            }
        }
        responses.insert(answer.status.to_string(), response);
    }
    for code in &operation.docs.codes {
        let status = code.status().as_str().to_owned();
        let meaning = format!("`{}`: {}", code.slug(), code.title());
        let response = responses.entry(status.clone()).or_insert_with(|| {
            json!({
                "description": "",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            })
        });
        describe_headers(response, &status);
        let before = response["description"].as_str().unwrap_or_default();
        let separator = if before.is_empty() { "" } else { "\n" };
        response["description"] = json!(format!("{before}{separator}{meaning}"));
    }
    for response in responses.values_mut() {
        describe_header(
            response,
            "X-Request-Id",
            "The id of the request, as the log and the audit log have it.",
        );
    }
    Value::Object(responses)
}

/// Describes what goes with the status of a problem.
fn describe_headers(response: &mut Value, status: &str) {
    match status {
        "401" => describe_header(
            response,
            "WWW-Authenticate",
            "Asks for a bearer token (RFC 6750), or for a newer proof (RFC 9470).",
        ),
        "429" => {
            for (name, meaning) in limits::HEADERS {
                describe_header(response, name, meaning);
            }
            describe_header(response, "Retry-After", "In how many seconds to try again.");
        }
        "503" => describe_header(response, "Retry-After", "In how many seconds to try again."),
        _ => {}
    }
}

fn describe_header(response: &mut Value, name: &str, meaning: &str) {
    response["headers"][name] = json!({ "description": meaning, "schema": { "type": "string" } });
}

/// `/api/users/{user_id}/roles` with PUT becomes `putUsersUserIdRoles`.
fn operation_id(endpoint: &Endpoint, operation: &Operation) -> String {
    let words = endpoint
        .path
        .trim_start_matches("/api")
        .split(|character: char| !character.is_ascii_alphanumeric());
    let mut id = operation.method.as_str().to_ascii_lowercase();
    for word in words.filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn tag(endpoint: &Endpoint) -> &'static str {
    endpoint.path.split('/').nth(2).unwrap_or_default()
}

/// RFC 9457, section 3.
fn problem_schema() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.slug()).collect();
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "code", "detail", "requestId"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "enum": codes },
            "detail": { "type": "string" },
            "requestId": { "type": "string" },
            "challengeToken": { "type": "string", "description": "What goes with the code of the second factor." },
            "expiresIn": { "type": "integer", "description": "How long that is good, in seconds." },
            "maxAge": { "type": "integer", "description": "How old a proof of who one is may be, in seconds." },
            "methods": {
                "type": "array",
                "description": "What a proof is made of: the password, where it is named, and one of the others.",
                "items": { "type": "string" },
            },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "pointer": { "type": "string", "format": "json-pointer" },
                        "parameter": { "type": "string" },
                        "header": { "type": "string" },
                        "code": { "type": "string" },
                        "message": { "type": "string" },
                    },
                },
            },
        },
    })
}
