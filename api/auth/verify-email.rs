//! `/api/auth/verify-email`: Verifies an address, with the token or the code of a mail.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_VERIFY_EMAIL)
}
