//! `/api/me/api-keys`: Lists the own API keys, or makes one.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_API_KEYS)
}
