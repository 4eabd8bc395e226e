//! `/api/invitations/[invitation_id]`: Takes an invitation back.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::INVITATION)
}
