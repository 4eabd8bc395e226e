//! `/api/audit-logs`: Lists the entries of the audit log.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUDIT_LOGS)
}
