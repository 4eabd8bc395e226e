//! `/api/auth/register`: Makes an account for oneself, and mails what verifies its address.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_REGISTER)
}
