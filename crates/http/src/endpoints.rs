//! The endpoints, one module per aggregate. What a request may be is in the signatures; what it does is in `core`.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit_logs;
pub(crate) mod auth;
pub(crate) mod challenge;
pub(crate) mod cron;
pub(crate) mod deletion;
pub(crate) mod email_changes;
pub(crate) mod export;
pub(crate) mod factors;
pub(crate) mod health;
pub(crate) mod invitations;
pub(crate) mod mail_sign_in;
pub(crate) mod me;
pub(crate) mod passkey_sign_in;
pub(crate) mod passkeys;
pub(crate) mod passwords;
pub(crate) mod reauthenticate;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod user_roles;
pub(crate) mod users;

mod edit;
