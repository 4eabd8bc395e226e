//! A real Postgres for development and tests: finds or fetches the server, runs a private cluster, clones databases.
//!
//! A test asks [`test_cluster`] for the server of the run, makes a [`Template`] that is migrated once, and gives each
//! case its own clone of it:
//!
//! ```no_run
//! # async fn example() -> Result<(), usher_devdb::Error> {
//! let template = usher_devdb::test_cluster()
//!     .template("accounts", |url| async move { migrate(url).await })
//!     .await?;
//! let database = template.create().await?;
//! # let _ = database.url();
//! # Ok(())
//! # }
//! # async fn migrate(_: String) -> Result<(), std::io::Error> { Ok(()) }
//! ```
//!
//! `cargo dev` keeps a [`Cluster`] of its own in a folder of the checkout.

mod binaries;
mod cluster;
mod databases;
mod error;
mod fetch;
mod files;
mod identity;
mod initialize;
mod platform;
mod postmaster;
mod server;
mod template;
mod test_cluster;
mod worker;

pub use binaries::Binaries;
pub use cluster::{Cluster, Options};
pub use error::Error;
pub use template::{Template, TestDatabase};
pub use test_cluster::{test_cluster, throw_away_cluster, throw_away_cluster_with};

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
