//! `/api/auth/login`: Signs in with e-mail address and password.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_LOGIN)
}
