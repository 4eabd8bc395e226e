//! `/api/cron/maintain`: Looks after the database, for a scheduler.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve(usher_http::routes::CRON_MAINTAIN)
}
