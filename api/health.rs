//! `/api/health`: Reports on the instance and its database.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::HEALTH)
}
