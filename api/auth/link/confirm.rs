//! `/api/auth/link/confirm`: Signs in with the link or the code of a mail.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_LINK_CONFIRM)
}
