//! `/api/me/email`: Asks for another address for the own account.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_EMAIL)
}
