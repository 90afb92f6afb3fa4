//! Parses arguments, calls a command, gives its exit code.

use std::process::ExitCode;

/// Customers are many small blocks that grow a little at a time, made by one thread and freed by
/// another: several times dearer with the allocator of most systems.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    heedful::commands::run(std::env::args_os())
}
