//! `/api/cron/mails`: Sends mails that were not sent after their answers.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::CRON_MAILS)
}
