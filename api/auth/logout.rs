//! `/api/auth/logout`: Ends a session.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_LOGOUT)
}
