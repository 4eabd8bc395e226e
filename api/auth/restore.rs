//! `/api/auth/restore`: Undoes the deletion of an account with the token of a mail.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_RESTORE)
}
