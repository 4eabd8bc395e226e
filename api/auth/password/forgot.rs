//! `/api/auth/password/forgot`: Mails a link to choose another password.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_PASSWORD_FORGOT)
}
