//! `/api/invitations/[invitation_id]/resend`: Mails an invitation once more.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::INVITATION_RESEND)
}
