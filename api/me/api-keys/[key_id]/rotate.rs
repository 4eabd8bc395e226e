//! `/api/me/api-keys/[key_id]/rotate`: Gives an own API key another secret.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_API_KEY_ROTATE)
}
