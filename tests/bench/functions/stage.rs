//! The server that the programs are started on, with a certificate and a password, and what they are asked.

use std::path::PathBuf;

use serde_json::{Value, json};
use usher_core::tokens::{Principal, SigningKeys, Tokens};
use usher_devdb::TestDatabase;
use usher_domain::{Clock, Method, Proof, SessionId, UserId};
use usher_http::Endpoint;
use usher_tests::{
    CRON_SECRET, PASSWORD, Person, connect,
    processes::{
        Client, Instance,
        client::Answer,
        process,
        server::{self, NAME, Server},
    },
    repository,
};
use uuid::Uuid;

/// How a function speaks to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over TCP with a password (SCRAM-SHA-256).
    Password,
    /// The same within TLS, with the certificate of an authority of its own verified.
    Tls,
}

/// A database with people, and those who ask about them.
pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
    server: &'static Server,
    authority: PathBuf,
    settings: Vec<(&'static str, String)>,
    /// The refresh token that was given last.
    refresh: String,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let (server, authority) = server::with_tls().await;
        Self {
            database: server.database().await,
            server,
            authority: authority.file(),
            settings: [
                process::settings(""),
                vec![("USHER_SIGN_UP", "open".to_owned())],
            ]
            .concat(),
            refresh: String::new(),
        }
    }

    /// Makes users that can sign in, beside the people.
    pub(crate) async fn fill(&self) {
        let client = connect(self.database.url()).await;
        let insert = "insert into users (name, email, password)
            select
              'Somebody ' || number,
              'person' || number || '@example.org',
              (select password from users where id = 4)
            from generate_series(1, 1000) as number";
        client.batch_execute(insert).await.unwrap();
        client.batch_execute("vacuum analyze").await.unwrap();
    }

    /// Returns a connection string that every client of Postgres understands.
    pub(crate) fn url(&self, way: Way) -> String {
        let (host, more) = match way {
            Way::Password => (
                self.server.address.to_string(),
                "sslmode=disable".to_owned(),
            ),
            Way::Tls => {
                let authority = self.authority.display();
                let more = format!("sslmode=verify-full&sslrootcert={authority}");
                (NAME.to_owned(), more)
            }
        };
        self.server.remote_url(&self.database, &host, &more)
    }

    /// Returns the environment of a program.
    pub(crate) fn settings(&self, way: Way) -> Vec<(&'static str, String)> {
        let url = ("DATABASE_URL", self.url(way));
        [self.settings.as_slice(), &[url]].concat()
    }

    /// Starts a function as the platform does it, and waits until it says that it is ready.
    pub(crate) fn start(&self, name: &str, way: Way) -> Instance {
        Instance::start(&program(name), name, &self.settings(way))
    }

    /// Returns a new access token of somebody.
    pub(crate) fn token(&self, person: Person) -> String {
        let setting = |wanted| {
            let mut all = self.settings.iter();
            let (_, value) = all.find(|(name, _)| *name == wanted).unwrap();
            value.as_str()
        };
        let keys = SigningKeys::parse(setting("USHER_SIGNING_KEYS")).unwrap();
        let issuer = setting("USHER_ISSUER");
        let principal = Principal {
            user: UserId::new(person.id()),
            session: SessionId::new(person.session()),
        };
        let now = Clock::default().now();
        let tokens = Tokens::new(keys, issuer, issuer);
        tokens
            .issue(principal, &Proof::by(Method::Password, now), now)
            .unwrap()
    }

    /// Sends what an endpoint is usually asked; who signs in stays signed in with the next one.
    pub(crate) async fn ask(&mut self, client: &Client, endpoint: &Endpoint) -> Answer {
        let renewal = json!({ "refreshToken": self.refresh });
        let admin = self.token(Person::Admin);
        let (answer, status) = match endpoint.path {
            path @ "/api/auth/login" => (client.post(path, "", &credentials()).await, 200),
            path @ "/api/auth/refresh" => (client.post(path, "", &renewal).await, 200),
            path @ "/api/auth/logout" => (client.post(path, "", &renewal).await, 204),
            path @ "/api/auth/register" => {
                let new =
                    json!({ "name": "New", "email": "new@example.org", "password": PASSWORD });
                (client.post(path, "", &new).await, 202)
            }
            path @ ("/api/auth/resend" | "/api/auth/password/forgot") => {
                let address = json!({ "email": Person::Member.email() });
                (client.post(path, "", &address).await, 202)
            }
            // A secret that is good could be shown only once.
            path @ ("/api/auth/verify-email"
            | "/api/auth/password/reset"
            | "/api/auth/email/confirm"
            | "/api/auth/email/cancel"
            | "/api/auth/restore"
            | "/api/auth/invitation") => (client.post(path, "", &guess(path)).await, 400),
            // A password that is right could be changed only once.
            path @ "/api/auth/password" => {
                let form = json!({ "currentPassword": "a wrong one", "newPassword": PASSWORD });
                (client.post(path, &admin, &form).await, 403)
            }
            path @ "/api/me/email" => {
                let form =
                    json!({ "newEmail": "new@example.org", "currentPassword": "a wrong one" });
                (client.post(path, &admin, &form).await, 403)
            }
            path @ "/api/auth/reauthenticate" => {
                let form = json!({ "password": PASSWORD });
                (client.post(path, &admin, &form).await, 200)
            }
            path if path.contains("_id}") && !path.contains("{user_id}") => {
                once(client, path, &admin).await
            }
            path if path.starts_with("/api/cron/") => (client.get(path, CRON_SECRET).await, 200),
            path => {
                let path = path.replace("{user_id}", "4");
                (client.get(&path, &admin).await, 200)
            }
        };
        assert_eq!(
            answer.status,
            status,
            "{}: {}",
            endpoint.path,
            answer.text()
        );
        if ["/api/auth/login", "/api/auth/refresh"].contains(&endpoint.path) {
            self.refresh = refresh_token(&answer.json());
        }
        answer
    }
}

/// Asks for what could be done only once with what is there, and for that reason with what is not.
async fn once(client: &Client, path: &str, admin: &str) -> (Answer, u16) {
    let path = path.replace("{session_id}", &Uuid::max().to_string());
    let path = path.replace("{invitation_id}", "999");
    let path = path.replace("{key_id}", "999");
    if path.starts_with("/api/me/api-keys/") && path.ends_with("/rotate") {
        // It needs a fresh proof beside, which the one who asks may not have.
        return (client.post(&path, "", &json!({})).await, 401);
    }
    if path.ends_with("/resend") {
        return (client.post(&path, admin, &json!({})).await, 404);
    }
    (client.delete(&path, admin).await, 404)
}

/// Returns a secret that nobody was sent, in the form of what is asked.
fn guess(path: &str) -> Value {
    let token = "A".repeat(43);
    if ["/api/auth/password/reset", "/api/auth/invitation"].contains(&path) {
        json!({ "token": token, "password": PASSWORD })
    } else {
        json!({ "token": token })
    }
}

/// Returns what a member signs in with.
pub(crate) fn credentials() -> Value {
    json!({ "email": Person::Member.email(), "password": PASSWORD })
}

/// Returns what one of the users signs in with that [`Stage::fill`] made, from 1 on.
pub(crate) fn person(number: usize) -> Value {
    json!({ "email": format!("person{number}@example.org"), "password": PASSWORD })
}

/// Returns the refresh token in an answer, or nothing.
pub(crate) fn refresh_token(answer: &Value) -> String {
    answer["refreshToken"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Returns a built program.
pub(crate) fn program(name: &str) -> PathBuf {
    repository().join("target/release").join(name)
}

/// Returns the name of the program of an endpoint, as the manifest has it.
pub(crate) fn name(endpoint: &Endpoint) -> String {
    let path = endpoint.path.trim_start_matches('/');
    path.replace(['/', '_'], "-").replace(['{', '}'], "")
}
