//! `/api/users/[user_id]/roles`: Shows and replaces the roles of a user.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::USER_ROLES)
}
