//! `/api/users/[user_id]`: Shows, changes and removes a user.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::USER)
}
