//! Programs of the product that run beside a test, and what talks to them over sockets.

pub mod authority;
pub mod client;
pub mod flow;
pub mod instance;
pub mod process;
mod programs;
pub mod server;

pub use client::Client;
pub use instance::Instance;
pub use process::Process;
pub use programs::{Plain, function};
