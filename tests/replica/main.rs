//! Heavy reads from a real streaming replica: what it may show, and what it costs when it is behind, away or no replica.
//!
//! The feature `replica` switches them on, since each pair of servers takes seconds to start:
//! `cargo test -p usher-tests --features replica --test replica`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failover;
mod faults;
mod pair;
mod reads;

use pair::{Pair, outcome};
