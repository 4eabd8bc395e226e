//! Migrations of the database: what there are, which of them a database has, and how it gets the others.
//!
//! The work of applying is refinery's, and so is the table `refinery_schema_history` that remembers it. This crate
//! adds what a deploy from several machines needs: a lock, a look before the leap, and errors that say what to do.
//!
//! A function never migrates: `usher migrate deploy` runs before the functions are deployed.

mod adopt;
mod apply;
mod contents;
mod deploy;
mod drift;
mod error;
mod failure;
mod history;
mod lint;
mod lock;
mod migration;
mod migrations;
mod proof;
mod rollback;
mod rows;
mod snapshot;
mod statements;
mod status;
mod surroundings;
mod verify;

pub use adopt::{AdoptOptions, Adopted, Candidate, Objection, Step, Survey};
pub use deploy::{DeployOptions, Deployed, LOCK_WAIT};
pub use drift::Live;
pub use error::Error;
pub use failure::{Failure, Kept};
pub use lint::{Finding, Findings};
pub use migration::Migration;
pub use migrations::Migrations;
pub use proof::{Fault, Outcome, Proof};
pub use rollback::{Back, Loss};
pub use snapshot::{Difference, Object, Snapshot};
pub use status::{Entry, State, Status};
pub use surroundings::Surroundings;

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
