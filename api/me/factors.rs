//! `/api/me/factors`: Lists the own second factors.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_FACTORS)
}
