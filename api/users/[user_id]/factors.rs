//! `/api/users/[user_id]/factors`: Removes the second factors of a user.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::USER_FACTORS)
}
