//! `/api/auth/challenge`: Signs in with a code of the second factor.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_CHALLENGE)
}
