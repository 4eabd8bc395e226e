//! `/api/auth/reauthenticate/options`: What the browser asks for an own passkey with, to prove again who one is.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_REAUTHENTICATE_OPTIONS)
}
