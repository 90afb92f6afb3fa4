//! Parses arguments, calls a command, gives its exit code.

fn main() {}
