//! `/api/auth/passkey`: Signs in with a passkey.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_PASSKEY)
}
