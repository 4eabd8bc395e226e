//! How the tests talk to the product: a whole instance on a database of its own, and people who send requests.
//!
//! ```text
//! let t = TestApp::start().await;
//! let answer = t.admin().post("/api/users", json!({ "name": "Ada", "email": "ada@example.com" })).await;
//! assert_eq!(answer.status(), 201);
//! ```
//!
//! Requests go through the router without a socket. The people are in the template that every database is cloned
//! from, with their sessions, so that nobody has to sign in first.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod answer;
mod app;
mod authenticator;
mod caller;
pub mod database;
mod mail;
mod people;
#[cfg(feature = "processes")]
pub mod processes;
pub mod query_log;
mod sources;
mod wire;

pub use answer::Answer;
pub use app::{CRON_SECRET, TestApp, app_without_database};
pub use authenticator::Authenticator;
pub use caller::Caller;
pub use database::connect;
pub use mail::{MailServer, MailService, Manner, Received};
pub use people::{PASSWORD, Person};
pub use sources::{repository, rust_files};
pub use wire::{Asked, Wire};
