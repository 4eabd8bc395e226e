//! The hot routes, and what is sent to them.

use anyhow::Result;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_core::{secret::Secret, users::ListUsers};
use usher_domain::{Email, Position, UserSort};

use crate::perf::{people::Term, world::World};

/// Every route that is measured.
pub(super) const ALL: [(&str, Call); 12] = [
    ("GET /api/health/live", Call::Live),
    ("GET /api/me", Call::Me),
    ("GET /api/users/{user_id}", Call::User),
    ("GET /api/users?email=…", Call::ByEmail),
    ("GET /api/users", Call::FirstPage),
    ("GET /api/users?cursor=…", Call::AnyPage),
    ("GET /api/users?q=… (rare)", Call::Search),
    ("GET /api/audit-logs?actorId=…", Call::Activity),
    ("PATCH /api/users/{user_id}", Call::Update),
    ("POST /api/auth/refresh", Call::Refresh),
    ("POST /api/auth/login", Call::Login),
    ("POST /api/users", Call::Create),
];

/// A request to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Live,
    Me,
    User,
    ByEmail,
    FirstPage,
    AnyPage,
    Search,
    Activity,
    Update,
    Refresh,
    Login,
    Create,
}

/// What requests are made of.
pub(super) struct Target {
    pub(super) world: World,
    /// The secret of the server, by which it knows its cursors.
    pub(super) secret: Secret,
}

/// A request to be sent.
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) expected: StatusCode,
}

impl Call {
    /// Tells whether pgbench can do the same again and again.
    pub(super) fn is_repeatable(self) -> bool {
        !matches!(
            self,
            Self::Live | Self::Refresh | Self::Login | Self::Create
        )
    }

    /// Returns how the server plans the statements in the end, which pgbench does not run for long enough to come to.
    pub(super) fn plan_mode(self) -> &'static str {
        if self == Self::Search {
            "force_custom_plan"
        } else {
            "force_generic_plan"
        }
    }

    /// Who hashes is refused beyond a short queue.
    pub(super) fn most_connections(self) -> usize {
        match self {
            Self::Login | Self::Create => 10,
            _ => usize::MAX,
        }
    }

    /// Tells whether the request needs no access token.
    pub(super) fn is_anonymous(self) -> bool {
        matches!(self, Self::Live | Self::Login | Self::Refresh)
    }

    /// Returns the next request; `refresh` is the refresh token in force.
    pub(super) fn request(self, target: &Target, refresh: &str) -> Result<Sent> {
        let world = &target.world;
        let number = world.number();
        let user = world.user(number);
        let get = |path: String| Sent {
            method: Method::GET,
            path,
            body: None,
            expected: StatusCode::OK,
        };
        let send = |method, path: &str, body| Sent {
            method,
            path: path.to_owned(),
            body: Some(body),
            expected: StatusCode::OK,
        };
        Ok(match self {
            Self::Live => get("/api/health/live".to_owned()),
            Self::Me => get("/api/me".to_owned()),
            Self::User => get(format!("/api/users/{}", user.id)),
            Self::ByEmail => get(format!("/api/users?email={}", user.email)),
            Self::FirstPage => get("/api/users".to_owned()),
            Self::AnyPage => {
                let position = Position {
                    order: ListUsers::order(UserSort::default()),
                    key: user
                        .created_at
                        .unix_timestamp_nanos()
                        .div_euclid(1000)
                        .to_string(),
                    id: user.id.get(),
                    is_early: false,
                };
                get(format!(
                    "/api/users?cursor={}",
                    target.secret.seal(&position)
                ))
            }
            Self::Search => get(format!("/api/users?q={}", Term::Rare.text())),
            Self::Activity => get(format!("/api/audit-logs?actorId={}", user.id)),
            Self::Update => {
                let name = json!({ "name": format!("{} {number}", user.name) });
                send(Method::PATCH, &format!("/api/users/{}", user.id), name)
            }
            Self::Refresh => send(
                Method::POST,
                "/api/auth/refresh",
                json!({ "refreshToken": refresh }),
            ),
            Self::Login => login(world.account(number), target),
            Self::Create => {
                let new = world.newcomer()?;
                let body =
                    json!({ "name": new.name, "email": new.email, "password": world.password });
                Sent {
                    expected: StatusCode::CREATED,
                    ..send(Method::POST, "/api/users", body)
                }
            }
        })
    }
}

/// Returns the request of somebody who signs in.
pub(super) fn login(email: &Email, target: &Target) -> Sent {
    let body = json!({ "email": email, "password": target.world.password });
    Sent {
        method: Method::POST,
        path: "/api/auth/login".to_owned(),
        body: Some(body),
        expected: StatusCode::OK,
    }
}
