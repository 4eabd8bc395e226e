//! Every operation there is, ready to be called; those that take a body with a form that is good but for its secrets.
//!
//! The list is read from the routes and from the description of the API, so that a new endpoint is tried by every
//! test that walks it. A new member of a form needs a value in [`value`], or the walk stops.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value, json};
use usher_http::{access::Access, openapi, routes};
use usher_tests::{Answer, CRON_SECRET, Caller, PASSWORD, Person, TestApp};
use uuid::Uuid;

/// Limits that no walk runs into.
pub(crate) const PATIENT: &str = "login-address=1000000/1,refresh-address=1000000/1,register-address=1000000/1,\
    mail-address=1000000/1,secret-address=1000000/1,everybody=1000000/1,mail-recipient=1000000/1,\
    login-pair=100,login-account=100,password=100,code=100";

/// One operation at a path without parameters.
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// The path as the routes have it.
    pub(crate) route: &'static str,
    /// The path with an id for each parameter: of user 4, and of nothing that is there.
    pub(crate) path: String,
    pub(crate) access: Access,
    pub(crate) body: Option<Body>,
}

/// What an operation takes.
pub(crate) struct Body {
    pub(crate) is_required: bool,
    pub(crate) members: Vec<String>,
    pub(crate) required: BTreeSet<String>,
}

impl Body {
    fn read(operation: &Value) -> Option<Self> {
        let body = operation.get("requestBody")?;
        let schema = &body["content"]["application/json"]["schema"];
        let required = schema["required"].as_array();
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        Some(Self {
            is_required: body["required"] == true,
            members: schema["properties"].as_object()?.keys().cloned().collect(),
            required: required.map(str::to_owned).collect(),
        })
    }

    /// Returns a form with all that is required, and this member beside it.
    pub(crate) fn form_with(&self, member: &str) -> Map<String, Value> {
        let mut names = self.required.clone();
        names.insert(member.to_owned());
        // A code stands beside its address, or its password.
        let partners = match member {
            "code" if self.members.iter().any(|name| name == "email") => &["email"][..],
            "code" if self.members.iter().any(|name| name == "password") => &["password"],
            "email" if self.members.iter().any(|name| name == "code") => &["code"],
            _ => &[],
        };
        names.extend(partners.iter().map(|&name| name.to_owned()));
        let pairs = names.into_iter().map(|name| {
            let value = value(&name);
            (name, value)
        });
        pairs.collect()
    }

    /// Returns a form that is good but for its secrets.
    pub(crate) fn form(&self) -> Map<String, Value> {
        let one = ["token", "refreshToken", "password", "name"];
        let has = |wanted: &&str| self.members.iter().any(|name| name == wanted);
        let first = one.into_iter().find(has);
        self.form_with(first.unwrap_or(&self.members[0]))
    }
}

/// Returns a value that is good as the member of any form.
fn value(member: &str) -> Value {
    match member {
        "name" => json!("Ada"),
        "email" | "newEmail" => json!("fresh@example.com"),
        "password" | "currentPassword" => json!(PASSWORD),
        "newPassword" => json!("quite another password"),
        "token" | "requestToken" | "challengeToken" | "ceremonyToken" | "refreshToken"
        | "deviceToken" => json!("A".repeat(43)),
        "code" => json!("00000000"),
        "credential" => json!({}),
        "avatarUrl" => json!("https://example.com/ada.png"),
        "scopes" => json!([]),
        "roles" => json!(["user"]),
        "isActive" => json!(true),
        "expiresInDays" => json!(30),
        "overlapHours" => json!(1),
        _ => panic!("{member} has no value here: add one"),
    }
}

impl Operation {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.route)
    }

    /// Tells whether it asks nobody who they are.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.access, Access::Anyone)
    }

    /// Returns somebody who may call it, if anybody may.
    pub(crate) fn caller(&self, t: &TestApp) -> Caller {
        match self.access {
            Access::Anyone => t.anonymous(),
            Access::Scheduler => t.scheduler(),
            Access::SignedIn | Access::May(_) => t.admin(),
        }
    }

    /// Sends a text as its body.
    pub(crate) async fn send(&self, caller: &Caller, body: &str) -> Answer {
        caller.json(&self.method, &self.path, body).await
    }

    /// Sends it with a body that is good but for its secrets.
    pub(crate) async fn call(&self, caller: &Caller) -> Answer {
        self.call_at(caller, &self.path).await
    }

    /// Sends it so to another path.
    pub(crate) async fn call_at(&self, caller: &Caller, path: &str) -> Answer {
        match &self.body {
            Some(body) => {
                let form = Value::from(body.form()).to_string();
                caller.json(&self.method, path, &form).await
            }
            None => caller.request_without_body(&self.method, path).await,
        }
    }
}

/// Returns every operation.
pub(crate) fn all() -> Vec<Operation> {
    let document = openapi::document();
    let mut all = Vec::new();
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            let method = operation.method.as_str().to_lowercase();
            let described = &document["paths"][endpoint.path][&method];
            assert!(described.is_object(), "{method} {}", endpoint.path);
            all.push(Operation {
                method: operation.method.clone(),
                route: endpoint.path,
                path: filled(endpoint.path),
                access: operation.access(),
                body: Body::read(described),
            });
        }
    }
    all
}

/// Returns every operation that takes a body.
pub(crate) fn with_body() -> Vec<(Operation, Body)> {
    let all = all().into_iter();
    all.filter_map(|mut operation| {
        let body = operation.body.take()?;
        Some((operation, body))
    })
    .collect()
}

fn filled(path: &str) -> String {
    path.replace("{user_id}", "4")
        .replace("{invitation_id}", "1")
        .replace("{passkey_id}", &Uuid::max().to_string())
        .replace("{key_id}", "1")
        .replace("{session_id}", &Person::Member.session().to_string())
}

/// Starts an instance for a walk: nobody is limited, and everybody has just signed in.
pub(crate) async fn start() -> TestApp {
    let t = TestApp::with(&[("USHER_LIMITS", PATIENT), ("CRON_SECRET", CRON_SECRET)]).await;
    crate::api_keys::sign_in_anew(&t).await;
    t
}

/// Returns all that a refused request may not change: accounts, sessions, and what opens them.
pub(crate) async fn state(t: &TestApp) -> Value {
    let tables = [
        "users",
        "sessions",
        "one_time_secrets",
        "invitations",
        "api_keys",
        "passkeys",
        "totp_factors",
        "email_changes",
    ];
    let rows = tables.map(|table| {
        format!("(select jsonb_agg(to_jsonb({table}) order by to_jsonb({table})) from {table})")
    });
    t.sql(
        &format!("select jsonb_build_array({})", rows.join(", ")),
        &[],
    )
    .await
}

/// Checks that as many cases were tried as are told of at least; `-- --nocapture` shows how many.
#[track_caller]
pub(crate) fn enough(cases: usize, at_least: usize) {
    eprintln!("{cases} cases at {}", std::panic::Location::caller());
    assert!(cases >= at_least, "{cases} cases, not {at_least}");
}

#[test]
fn every_operation_is_walked_and_those_with_a_body_have_a_form() {
    let known: usize = routes::ALL
        .iter()
        .map(|endpoint| endpoint.operations().list().len())
        .sum();
    assert_eq!(all().len(), known);
    for (operation, body) in with_body() {
        for member in &body.members {
            assert!(
                body.form_with(member).contains_key(member),
                "{}",
                operation.name()
            );
        }
    }
}
