//! `/api/users`: Lists and creates users.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::USERS)
}
