//! The operator's command line. See `rcs::ctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rcs::ctl::run()
}
