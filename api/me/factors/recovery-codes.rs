//! `/api/me/factors/recovery-codes`: Makes new recovery codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_FACTORS_RECOVERY_CODES)
}
