//! The product under faults: servers that are killed, wires that are cut, disks that are full, clocks that are wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aborts;
mod asks;
mod catalogue;
mod clocks;
mod connections;
mod crash;
mod disk;
mod factors;
mod freeze;
mod ledger;
mod network;
mod passkeys;
mod prepared;
mod proxy;
mod races;
mod readers;
mod repeats;
mod stage;
mod victims;
mod writers;
mod writes;
