//! The agent for remote machines. Not built yet: it says so and fails, so that no script takes it for done.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!("rcs-agent: this release has no machine agent yet; connect `ccb --remote-control` to rcsd instead");
    ExitCode::FAILURE
}
