//! `/api/me/audit-logs`: Lists what one did, and what others did to one's account.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ME_AUDIT_LOGS)
}
