//! `/api/auth/passkey/options`: What the browser asks for a passkey with.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_PASSKEY_OPTIONS)
}
