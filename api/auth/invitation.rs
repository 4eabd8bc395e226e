//! `/api/auth/invitation`: Makes the account of an invitation with the token of its mail.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_INVITATION)
}
