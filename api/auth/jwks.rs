//! `/api/auth/jwks`: Publishes the keys that access tokens are signed with.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_JWKS)
}
