//! `/api/auth/resend`: Mails once more what verifies an address.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_RESEND)
}
