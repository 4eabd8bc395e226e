//! `/api/me/passkeys/options`: What the browser makes a passkey with.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_PASSKEYS_OPTIONS)
}
