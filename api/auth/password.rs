//! `/api/auth/password`: Changes the own password, and signs out everywhere else.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_PASSWORD)
}
