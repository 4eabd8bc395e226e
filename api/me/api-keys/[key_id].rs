//! `/api/me/api-keys/[key_id]`: Revokes an own API key.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_API_KEY)
}
