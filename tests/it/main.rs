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
mod api_key_races;
mod api_keys;
mod audit;
mod audit_logs;
mod auth;
mod browser_mode;
mod challenge_limits;
mod challenges;
mod consistency;
mod contract;
mod database;
mod deletion;
mod email_change_attacks;
mod email_change_races;
mod email_changes;
mod enrolled;
mod equal_work;
mod export;
mod factor_races;
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
mod mail_sign_in;
mod mail_sign_in_attacks;
mod mails;
mod maintenance;
mod me;
mod openapi;
mod own_audit_logs;
mod own_passwords;
mod passkey_attacks;
mod passkey_races;
mod passkeys;
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
mod second_factors;
mod secret_races;
mod secrets;
mod sessions;
mod short_passwords;
mod sixteen;
mod sources;
mod step_up;
mod users;
mod users_list;
mod wire;
