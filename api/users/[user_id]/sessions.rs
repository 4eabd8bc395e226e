//! `/api/users/[user_id]/sessions`: Lists and ends the sessions of a user.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::USER_SESSIONS)
}
