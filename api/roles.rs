//! `/api/roles`: Lists the roles there are.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::ROLES)
}
