//! The whole product through its router, on a real Postgres: one file per subject.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test fails by panicking, and lists its cases"
)]

mod access;
mod accounts;
mod answers;
mod api_key_attacks;
mod api_keys;
mod audit;
mod audit_logs;
mod auth;
mod consistency;
mod contract;
mod database;
mod deletion;
mod email_change_attacks;
mod email_change_races;
mod email_changes;
mod export;
mod faults;
mod forms;
mod health;
mod hostile;
mod idempotency;
mod invitation_attacks;
mod invitations;
mod key_rotation;
mod layout;
mod limit_attacks;
mod limit_races;
mod limits;
mod mails;
mod maintenance;
mod me;
mod openapi;
mod own_audit_logs;
mod own_passwords;
mod passwords;
mod pepper;
mod plans;
mod pool;
mod prepared;
mod privileges;
mod pwned;
mod races;
mod refresh;
mod repeated_changes;
mod roles;
mod round_trips;
mod search;
mod secret_races;
mod secrets;
mod sessions;
mod sources;
mod step_up;
mod users;
mod users_list;
mod wire;
