//! How much memory one instance of a function takes after thousands of requests from ten connections.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use usher_tests::{
    Person,
    processes::{Instance, client::pass_on},
};

use crate::{
    caller::{Caller, request},
    cost::Memory,
    stage::{Stage, Way, person, refresh_token},
};

const CONNECTIONS: usize = 10;
const REQUESTS: usize = 10_000;
/// A hash takes as long as a hundred other requests.
const SIGN_INS: usize = 500;

/// What is asked again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Page,
    Change,
    Refresh,
    SignIn,
}

const KINDS: [(&str, &str, Kind, usize); 5] = [
    ("a user by id", "api-users-user-id", Kind::User, REQUESTS),
    ("a page of 100 users", "api-users", Kind::Page, REQUESTS),
    ("a change", "api-users-user-id", Kind::Change, REQUESTS),
    ("a refresh", "api-auth-refresh", Kind::Refresh, REQUESTS),
    ("a sign-in", "api-auth-login", Kind::SignIn, SIGN_INS),
];

pub(crate) async fn run() {
    let stage = Stage::set().await;
    stage.fill().await;
    println!(
        "| MiB | program | requests | at the start | resident | of it heap and stacks | private | proportional | at most |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (what, name, kind, requests) in KINDS {
        eprintln!("{requests} times {what}");
        let tokens = if kind == Kind::Refresh {
            sign_in(&stage).await
        } else {
            vec![String::new(); CONNECTIONS]
        };
        let instance = stage.start(name, Way::Tls);
        let start = Memory::of(instance.id());
        ask(&stage, &instance, kind, tokens, requests).await;
        let end = Memory::of(instance.id());
        println!(
            "| {what} | `{name}` | {requests} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            start.resident, end.resident, end.anonymous, end.private, end.share, end.peak
        );
        instance.stop();
    }
}

/// Signs somebody in for each connection, and returns the refresh tokens.
async fn sign_in(stage: &Stage) -> Vec<String> {
    let instance = stage.start("api-auth-login", Way::Tls);
    let mut tokens = Vec::new();
    for number in 1..=CONNECTIONS {
        let answer = instance
            .client()
            .post("/api/auth/login", "", &person(number))
            .await;
        tokens.push(refresh_token(&answer.expect(200)));
    }
    instance.stop();
    tokens
}

/// Sends the requests, as many over each connection.
async fn ask(stage: &Stage, instance: &Instance, kind: Kind, tokens: Vec<String>, requests: usize) {
    let mut connections = JoinSet::new();
    for (place, refresh) in tokens.into_iter().enumerate() {
        let numbers = (0..requests / CONNECTIONS).map(|_| instance.next_request());
        let requests = Requests {
            kind,
            user: place + 1,
            access: stage.token(Person::Admin),
            refresh,
            changes: 0,
        };
        connections.spawn(converse(requests, numbers.collect()));
    }
    connections.join_all().await;
}

async fn converse(mut requests: Requests, numbers: Vec<(SocketAddr, u64)>) {
    let mut caller = Caller::connect(numbers[0].0).await;
    for (_, number) in numbers {
        let mut request = requests.next();
        pass_on(request.headers_mut(), number);
        let body = caller.send(request).await;
        if requests.kind == Kind::Refresh {
            requests.refresh = refresh_token(&serde_json::from_slice(&body).unwrap());
        }
    }
}

/// What is sent over one connection.
struct Requests {
    kind: Kind,
    /// Each connection has a user of its own.
    user: usize,
    access: String,
    refresh: String,
    changes: usize,
}

impl Requests {
    fn next(&mut self) -> Request<Full<Bytes>> {
        let user = format!("/api/users/{}", self.user + Person::ALL.len());
        match self.kind {
            Kind::User => request("GET", &user, &self.access, &Value::Null),
            Kind::Page => request("GET", "/api/users?limit=100", &self.access, &Value::Null),
            Kind::Change => {
                self.changes += 1;
                let change = json!({ "name": format!("Somebody {}", self.changes) });
                request("PATCH", &user, &self.access, &change)
            }
            Kind::Refresh => {
                let renewal = json!({ "refreshToken": self.refresh });
                request("POST", "/api/auth/refresh", "", &renewal)
            }
            Kind::SignIn => request("POST", "/api/auth/login", "", &person(self.user)),
        }
    }
}
