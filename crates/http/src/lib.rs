//! The HTTP meaning of Usher: which paths there are, who may use them, what they take and what they answer.
//!
//! - [`routes`] is the table of contents; an [`Endpoint`] is one path with its [`Operations`].
//! - [`router`] serves endpoints; everything that every answer has in common is there.
//! - A handler's signature says who may call it ([`access`]), what is read ([`input`]) and what is answered
//!   ([`answer`]); [`openapi`] is written from the same signatures.
//! - Whatever goes wrong is a [`Problem`] with a stable [`Code`].

pub mod access;
pub mod answer;
mod app;
mod code;
mod delivery;
mod describe;
mod endpoints;
pub mod input;
mod limits;
pub mod openapi;
mod operation;
mod origin;
mod problem;
pub mod problems;
mod pwned;
mod router;
pub mod routes;
pub mod telemetry;

pub use app::App;
pub use code::Code;
pub use operation::{Endpoint, Operation, Operations};
pub use origin::ClientAddress;
pub use problem::Problem;
pub use router::{router, unrouted, with_answers};
pub use telemetry::Telemetry;
