//! What every deployment must be able to do, whatever carries the requests.

use serde_json::{Value, json};

use super::Client;
use crate::{PASSWORD, Person};

/// Signs in, creates and changes a user, reads the list and the audit log, stays signed in and signs out. `address` is
/// where the platform says that the requests come from.
pub async fn run(client: &Client, address: &str) {
    client.get("/api/health/live", "").await.expect(200);
    client.get("/api/health/ready", "").await.expect(200);
    client.get("/api/users", "").await.expect(401);
    let keys = client.get("/.well-known/jwks.json", "").await.expect(200);
    assert_eq!(keys["keys"][0]["alg"], "ES256");

    let session = sign_in(client).await;
    let token = text(&session["accessToken"]);
    let id = create_and_change_a_user(client, token).await;
    let users = client
        .get("/api/users?q=augusta&limit=10&fields=id,name", token)
        .await
        .expect(200);
    assert_eq!(users["data"], json!([{ "id": id, "name": "Augusta Ada" }]));
    the_audit_log_has_it(client, token, id, address).await;

    let renewal = json!({ "refreshToken": session["refreshToken"] });
    let renewed = client
        .post("/api/auth/refresh", "", &renewal)
        .await
        .expect(200);
    let token = text(&renewed["accessToken"]);
    client.get("/api/me", token).await.expect(200);
    client
        .post("/api/auth/logout", token, &Value::Null)
        .await
        .expect(204);
    client.get("/api/me", token).await.expect(401);
}

/// A parameter of the path stands in the query too on some platforms; what a caller puts there decides nothing.
pub async fn ignores_a_parameter_of_the_platform(client: &Client) {
    let session = sign_in(client).await;
    let answer = client
        .get("/api/users/2?user_id=1", text(&session["accessToken"]))
        .await;
    if answer.status == 200 {
        assert_eq!(answer.json()["id"], 2);
    } else {
        assert_eq!(answer.json()["code"], "validation-failed");
    }
}

/// Signs the admin in.
pub async fn sign_in(client: &Client) -> Value {
    let credentials = json!({ "email": Person::Admin.email(), "password": PASSWORD });
    client
        .post("/api/auth/login", "", &credentials)
        .await
        .expect(200)
}

async fn create_and_change_a_user(client: &Client, token: &str) -> Value {
    let new = json!({ "name": "Ada", "email": "ada@example.com" });
    let created = client.post("/api/users", token, &new).await;
    let id = created.expect(201)["id"].clone();
    let path = format!("/api/users/{id}");
    let change = json!({ "name": "Augusta Ada" });
    let version = created.header("etag");
    let changed = client
        .patch(&path, token, version, &change)
        .await
        .expect(200);
    assert_eq!(changed["name"], "Augusta Ada");
    client
        .patch(&path, token, version, &change)
        .await
        .expect(412);
    id
}

async fn the_audit_log_has_it(client: &Client, token: &str, user: Value, address: &str) {
    let log = client
        .get("/api/audit-logs?limit=50", token)
        .await
        .expect(200);
    let entries = log["data"].as_array().unwrap();
    for (action, entity_id) in [
        ("LOGIN", json!(Person::Admin.id())),
        ("CREATE", user.clone()),
        ("UPDATE", user),
    ] {
        let entry = entries
            .iter()
            .find(|entry| entry["action"] == action && entry["entityId"] == entity_id);
        let entry = entry.unwrap_or_else(|| panic!("no {action} in {log}"));
        assert_eq!(entry["ip"], address, "{entry}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
