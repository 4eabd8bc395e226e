//! `/api/health/live`: Tells that the instance runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::HEALTH_LIVE)
}
