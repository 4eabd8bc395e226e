//! `/api/auth/reauthenticate`: Proves again who one is.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_REAUTHENTICATE)
}
