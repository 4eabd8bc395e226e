//! `/api/me/export`: Returns everything that is held about oneself, as a file.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_EXPORT)
}
