//! `/api/me/sessions/[session_id]`: Ends one of the own sessions.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_SESSION)
}
