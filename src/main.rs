//! Parses arguments, calls a command, gives its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    heedful::commands::run(std::env::args_os())
}
