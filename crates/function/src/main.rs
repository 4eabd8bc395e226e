//! The whole API as one function, for plans that allow only a few functions in a deployment.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher_function::serve_all()
}
