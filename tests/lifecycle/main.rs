//! The connections of a function through its life, with real processes: freezes, stops, poolers and TLS.
//!
//! They start servers and programs of their own on Linux, and need `pgbouncer` and `openssl`; `.ci/run` installs
//! both. The feature `lifecycle` switches them on: `cargo test -p usher-tests --features lifecycle --test lifecycle`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bouncer;
mod freeze;
mod idle;
mod oathtool;
mod pooler;
mod stop;
mod tls;
