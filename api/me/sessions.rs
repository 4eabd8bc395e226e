//! `/api/me/sessions`: Lists and ends the own sessions.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_SESSIONS)
}
