//! `/api/me/factors/totp/confirm`: Puts an authenticator app in force.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_FACTORS_TOTP_CONFIRM)
}
