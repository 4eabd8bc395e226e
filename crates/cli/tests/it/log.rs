//! The log of `usher serve`: what each request was and what it cost, and nothing of what it carried.

use serde_json::{Value, json};

use crate::{
    served::{EMAIL, PASSWORD, Served, borrowed, prepared},
    support::{Folder, ask},
};

/// Signs in, is refused, lists, and asks for what is not there; returns the secrets that went to and fro.
fn visit(port: u16) -> Vec<String> {
    let sign_in = |password: &str| {
        let body = json!({ "email": EMAIL, "password": password }).to_string();
        ask(port, "POST", "/api/auth/login", None, &body)
    };
    assert_eq!(sign_in("another canary password").0, 401);
    let (status, body) = sign_in(PASSWORD);
    assert_eq!(status, 200, "{body}");
    let session: Value = serde_json::from_str(&body).unwrap();
    let [access, refresh] =
        ["accessToken", "refreshToken"].map(|name| session[name].as_str().unwrap().to_owned());
    let get = |path: &str| ask(port, "GET", path, Some(&access), "").0;
    assert_eq!(
        get("/api/users?email=canary-address%40example.com&q=canary"),
        200
    );
    assert_eq!(get("/api/users/999"), 404);
    assert_eq!(get("/api/users/1"), 200);
    assert_eq!(get("/api/canary-path"), 404);
    vec![access, refresh, "canary".to_owned(), "argon2".to_owned()]
}

#[tokio::test]
async fn a_line_tells_what_a_request_was_and_what_it_cost() {
    let folder = Folder::create();
    let (_database, mut variables) = prepared(&folder).await;
    variables.push(("USHER_LOG".to_owned(), "info".to_owned()));
    let served = Served::start(folder.usher(&["serve", "--port", "0"], &borrowed(&variables)));
    visit(served.port);
    let log = served.end();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or("?").to_owned();
            format!(
                "{} {} {} {} {}",
                line["status"],
                text("method"),
                text("route"),
                line["round_trips"],
                text("message")
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "401 POST /api/auth/login 2 answered",
            "200 POST /api/auth/login 2 answered",
            "200 GET /api/users 1 answered",
            "404 GET /api/users/{user_id} 1 answered",
            "200 GET /api/users/{user_id} 1 answered",
            "404 GET  0 answered",
        ]
    );
    for line in &lines {
        let number = |name: &str| line[name].as_f64().unwrap();
        let whole = number("milliseconds");
        assert!(
            whole > 0.0
                && number("database_milliseconds") + number("connection_milliseconds") <= whole,
            "{line}"
        );
        assert!(
            line["request"].as_str().unwrap().len() > 8 && line["timestamp"].is_string(),
            "{line}"
        );
    }
    assert!(lines[1]["database_milliseconds"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn the_loudest_log_holds_nothing_that_a_request_carried() {
    let folder = Folder::create();
    let (_database, mut variables) = prepared(&folder).await;
    variables.push(("USHER_LOG".to_owned(), "trace".to_owned()));
    let served = Served::start(folder.usher(&["serve", "--port", "0"], &borrowed(&variables)));
    let secrets = visit(served.port);
    let log = served.end();
    assert!(log.contains("find credentials"), "{log}");
    for secret in secrets {
        let found = log.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None, "{secret}");
    }
}
