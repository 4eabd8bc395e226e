//! `/api/auth/refresh`: Exchanges a refresh token for new tokens.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_REFRESH)
}
