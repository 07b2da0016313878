//! The server. Everything is in [`rcs::serve`].

use std::process::ExitCode;

fn main() -> ExitCode {
    rcs::serve::program::main()
}
