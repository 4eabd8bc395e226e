//! Every operation that writes, each ready to be sent, with what shows that it was done once.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio_postgres::Client;
use usher_http::routes;
use usher_tests::{PASSWORD, Person, processes::client::Answer};

use crate::{
    asks::{Ask, Reply},
    stage::Stage,
};

/// Every operation that writes.
pub(crate) const ALL: [Write; 11] = [
    Write::Create,
    Write::Change,
    Write::Remove,
    Write::Grant,
    Write::ChangeOwn,
    Write::SignIn,
    Write::Refresh,
    Write::SignOut,
    Write::EndOther,
    Write::EndOthers,
    Write::EndAll,
];

/// An operation that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Change,
    Remove,
    Grant,
    ChangeOwn,
    SignIn,
    Refresh,
    SignOut,
    EndOther,
    EndOthers,
    EndAll,
}

/// A request that was never sent, about a user whom nobody else knows.
pub(crate) struct Prepared {
    write: Write,
    pub(crate) ask: Ask,
    /// The id of the request, which is also the local part of the user's address.
    id: String,
}

impl Write {
    /// Returns the method and the path of the operation.
    fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("POST", "/api/users"),
            Self::Change => ("PATCH", "/api/users/{user_id}"),
            Self::Remove => ("DELETE", "/api/users/{user_id}"),
            Self::Grant => ("PUT", "/api/users/{user_id}/roles"),
            Self::ChangeOwn => ("PATCH", "/api/me"),
            Self::SignIn => ("POST", "/api/auth/login"),
            Self::Refresh => ("POST", "/api/auth/refresh"),
            Self::SignOut => ("POST", "/api/auth/logout"),
            Self::EndOther => ("DELETE", "/api/me/sessions/{session_id}"),
            Self::EndOthers => ("DELETE", "/api/me/sessions"),
            Self::EndAll => ("DELETE", "/api/users/{user_id}/sessions"),
        }
    }

    /// Returns the status of success.
    fn status(self) -> u16 {
        match self {
            Self::Create => 201,
            Self::Remove | Self::SignOut | Self::EndOther | Self::EndOthers | Self::EndAll => 204,
            _ => 200,
        }
    }

    /// Makes a request ready, with a user and a session when it needs them.
    pub(crate) async fn prepare(
        self,
        stage: &Stage,
        client: &Client,
        at: SocketAddr,
        id: &str,
    ) -> Prepared {
        let email = format!("{id}@example.com");
        let user = if self == Self::Create {
            0
        } else {
            move_in(client, &email).await
        };
        let credentials = json!({ "email": email, "password": PASSWORD });
        let sign_in = Ask::post("/api/auth/login", credentials);
        let needs_another = matches!(self, Self::EndOther | Self::EndOthers);
        let needs_session = needs_another
            || matches!(
                self,
                Self::ChangeOwn | Self::Refresh | Self::SignOut | Self::EndAll
            );
        let session = if needs_session {
            sign_in.to(at).await.expect(200)
        } else {
            Value::Null
        };
        let another = if needs_another {
            sign_in.to(at).await.expect(200);
            newest_session(client, user).await
        } else {
            String::new()
        };
        let own = session["accessToken"].as_str().unwrap_or_default();
        let admin = stage.token(Person::Admin);
        let path = format!("/api/users/{user}");
        let ask = match self {
            Self::Create => {
                Ask::post("/api/users", json!({ "name": id, "email": email })).with_token(&admin)
            }
            Self::Change => Ask::patch(&path, json!({ "name": id }))
                .with_token(&admin)
                .with("if-match", "\"1\"".to_owned()),
            Self::Remove => Ask::delete(&path).with_token(&admin),
            Self::Grant => {
                let roles = json!({ "roles": ["user", "auditor"] });
                Ask::put(&format!("{path}/roles"), roles).with_token(&admin)
            }
            Self::ChangeOwn => Ask::patch("/api/me", json!({ "name": id })).with_token(own),
            Self::SignIn => sign_in,
            Self::Refresh => {
                let token = json!({ "refreshToken": session["refreshToken"] });
                Ask::post("/api/auth/refresh", token)
            }
            Self::SignOut => Ask::post("/api/auth/logout", json!({})).with_token(own),
            Self::EndOther => Ask::delete(&format!("/api/me/sessions/{another}")).with_token(own),
            Self::EndOthers => Ask::delete("/api/me/sessions").with_token(own),
            Self::EndAll => Ask::delete(&format!("{path}/sessions")).with_token(&admin),
        };
        Prepared {
            write: self,
            ask: ask.with_id(id),
            id: id.to_owned(),
        }
    }
}

impl Prepared {
    /// Returns the request with a key that makes it safe to send it again.
    pub(crate) fn with_key(&self) -> Ask {
        self.ask.clone().with_key(&self.id)
    }

    /// Returns what a caller makes of replies: `Err` when one of them is no success, or they differ.
    pub(crate) fn agree(&self, replies: &[Reply]) -> Result<(), String> {
        let mut shown: Vec<_> = replies.iter().map(Self::shown).collect();
        shown.dedup();
        match &shown[..] {
            [(status, _)] if *status == self.write.status() => Ok(()),
            [(status, _)] => Err(format!("{:?} is answered with {status}", self.write)),
            _ => Err(format!("{:?} is answered differently", self.write)),
        }
    }

    /// Returns what replies to the same request must have in common: not the access token, which is made anew.
    fn shown(reply: &Reply) -> (u16, Value) {
        let mut body = reply
            .answer
            .as_ref()
            .filter(|answer| !answer.body.is_empty())
            .map(Answer::json)
            .unwrap_or_default();
        if let Some(body) = body.as_object_mut() {
            for passing in ["accessToken", "expiresIn"] {
                body.remove(passing);
            }
        }
        (reply.status(), body)
    }

    /// Returns what the database has of the request: `Err` unless that is one effect with one entry.
    pub(crate) async fn is_done_once(&self, client: &Client) -> Result<(), String> {
        self.is_done(client, &[1]).await
    }

    /// The same, or nothing at all.
    pub(crate) async fn is_done_once_or_never(&self, client: &Client) -> Result<(), String> {
        self.is_done(client, &[0, 1]).await
    }

    async fn is_done(&self, client: &Client, times: &[i64]) -> Result<(), String> {
        let entries = "select count(*) from audit_logs where request_id = $1";
        let effects = match self.write {
            Write::Create => "select count(*) from users where email = $1",
            Write::Change | Write::Grant | Write::ChangeOwn => {
                "select version - 1 from users where email = $1"
            }
            Write::Remove => {
                "select count(*) from users where email = $1 and version = 2 and deleted_at is not null"
            }
            Write::SignIn => {
                "select count(*) from sessions join users on users.id = user_id where email = $1"
            }
            Write::Refresh => {
                "select sum(refresh_counter) from sessions join users on users.id = user_id where email = $1"
            }
            Write::SignOut | Write::EndOther | Write::EndOthers | Write::EndAll => {
                "select count(*) from sessions join users on users.id = user_id where email = $1 and ended_at is not null"
            }
        };
        let email = format!("{}@example.com", self.id);
        let effects: i64 = client.query_one(effects, &[&email]).await.unwrap().get(0);
        let entries: i64 = client.query_one(entries, &[&self.id]).await.unwrap().get(0);
        if effects == entries && times.contains(&effects) {
            Ok(())
        } else {
            Err(format!(
                "{:?} has {effects} effects and {entries} entries",
                self.write
            ))
        }
    }
}

/// Creates a user with a password.
async fn move_in(client: &Client, email: &str) -> i64 {
    let statement = "insert into users (name, email, password) select 'New', $1, password from users where id = 4 returning id";
    client.query_one(statement, &[&email]).await.unwrap().get(0)
}

/// Returns the session that a user began last.
async fn newest_session(client: &Client, user: i64) -> String {
    let statement =
        "select id::text from sessions where user_id = $1 order by created_at desc limit 1";
    client.query_one(statement, &[&user]).await.unwrap().get(0)
}

#[test]
fn every_operation_that_writes_is_known() {
    let known = ALL.map(Write::route);
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            let route = (operation.method.as_str(), endpoint.path);
            let reads = operation.method == http::Method::GET;
            assert!(reads || known.contains(&route), "add {route:?} to ALL");
        }
    }
}
