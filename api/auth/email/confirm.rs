//! `/api/auth/email/confirm`: Confirms a change of address with the token of a mail.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_EMAIL_CONFIRM)
}
