//! `/api/auth/password/reset`: Sets another password with the token of a mail, and signs out everywhere.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_PASSWORD_RESET)
}
