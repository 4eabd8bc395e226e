//! `/api/me/passkeys/[passkey_id]`: Renames or removes one of the own passkeys.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_PASSKEY)
}
