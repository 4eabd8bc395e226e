//! `/api/me/factors/totp`: Begins with an authenticator app, and removes it.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_FACTORS_TOTP)
}
