//! `/api/health/ready`: Tells whether the database answers with the schema that this build needs.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::HEALTH_READY)
}
