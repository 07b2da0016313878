//! The server. Everything is in [`rcs::serve`].

use std::process::ExitCode;

/// A tenth of the time of an append was in the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rcs::serve::program::main()
}
