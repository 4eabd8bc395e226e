//! `/api/auth/link`: Mails a link and a code to sign in with.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::AUTH_LINK)
}
