//! Says loudly that a test did not run: in CI that is a failure.

use std::io::Write;

/// Set where everything must run.
const NO_SKIPPING: &str = "HEEDFUL_NO_SKIPPING";

/// Says what was not tested, past the test runner, which shows what failed only.
pub(crate) fn skip(what: &str, why: &str) {
    let why = why.trim();
    assert!(std::env::var_os(NO_SKIPPING).is_none(), "{what}: cannot run here: {why}");
    say_skipped(what, why);
}

/// The same for what CI cannot have either.
pub(crate) fn say_skipped(what: &str, why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {what}: {why}").unwrap();
}
