//! The shared core: the database and everything that is kept in it.
//!
//! - [`Database`] is the lazily made pool; a [`Connection`] runs statements. A [`Replica`] may take heavy reads over.
//! - There is one module per aggregate ([`users`], [`sessions`], [`roles`], [`audit_logs`], [`mails`], [`factors`]) with all its SQL as free
//!   functions that take the connection first.
//! - Whatever is written goes through one function that writes the audit entry in the same statement. See [`Author`].
//! - [`passwords`], [`tokens`] and [`refresh`] make and check credentials.

pub mod accounts;
pub mod actor;
pub mod api_keys;
pub mod audit_logs;
mod audited;
mod bytes;
mod client;
pub mod config;
mod connection;
mod database;
mod database_url;
mod error;
pub mod factors;
pub mod health;
mod idempotency;
pub mod invitations;
mod key_list;
pub mod limits;
mod mail_options;
pub mod mails;
pub mod maintenance;
pub mod one_time;
pub mod passkeys;
pub mod passwords;
pub mod refresh;
mod relying_party;
pub mod replica;
pub mod retention;
pub mod roles;
mod row;
mod sealed;
pub mod secret;
mod select;
pub mod sessions;
pub mod spent;
mod tls;
pub mod tokens;
pub mod users;

pub use audited::Author;
pub use config::{Config, ConfigError, Environment, ReplicaOptions};
pub use connection::Connection;
pub use database::{Database, PoolFigures};
pub use database_url::{DatabaseUrl, UrlError};
pub use error::{Constraint, Error};
pub use idempotency::Attempt;
pub use key_list::{Dated, KeyList};
pub use mail_options::{MailOptions, MailUrl, Security, Sender};
pub use relying_party::RelyingParty;
pub use replica::Replica;
pub use tls::connector;

/// The result of everything that talks to the database.
pub type Result<T> = std::result::Result<T, Error>;
