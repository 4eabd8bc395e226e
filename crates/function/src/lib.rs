//! Runs endpoints as a function: on Vercel, on AWS Lambda, or on a plain local listener.
//!
//! A file under `api/` holds one call of [`serve`]. Nothing here is generic over the endpoint, so one
//! more function costs a link and no compilation. The environment decides at start which host the
//! process runs on (`host.rs`); all hosts drive the same router and differ only in three things:
//! where a request comes from, which address its caller has, and how the process ends.
//!
//! | host | requests | address of the caller | settings are wrong |
//! |---|---|---|---|
//! | Vercel | `vercel_runtime` | the header `x-real-ip`, which the platform overwrites | answers 503 |
//! | AWS Lambda | `lambda_http` | the event's request context | answers 503 |
//! | plain | a TCP listener | the peer of the connection | exits with 1 |
//!
//! A managed host shows its caller an opaque error and starts the process again and again when it
//! exits at once. There the function stays up and answers 503 instead, so that a caller gets a
//! problem document and the log holds the reason once per start. A plain process exits, because a
//! supervisor or a developer is watching it.

mod address;
mod delivery;
mod environment;
mod error;
mod host;
mod idle;
#[cfg(feature = "lambda")]
mod lambda;
mod listener;
pub mod logging;
pub mod otlp;
mod problem;
mod start;
mod stop;
mod uri;
mod vercel;

pub use listener::{listen, looking_after};
pub use start::{serve, serve_all};
pub use stop::stop_signal;
