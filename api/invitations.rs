//! `/api/invitations`: Lists invitations, and invites somebody.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::INVITATIONS)
}
