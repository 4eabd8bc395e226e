//! `/api/me/passkeys`: The own passkeys, and adding one.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_PASSKEYS)
}
