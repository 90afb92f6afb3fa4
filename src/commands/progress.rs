//! Bars for long work, on standard error and only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const BYTES: &str =
    "{msg:<16} {wide_bar} {bytes:>10} of {total_bytes:<10} {bytes_per_sec:>12}  {eta:>4} left";

/// A bar over the bytes of something.
pub fn over_bytes(total: u64, what: impl Into<String>) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what.into());
    match ProgressStyle::with_template(BYTES) {
        Ok(style) => bar.with_style(style),
        // Only a template with a typing mistake is refused; a plain bar does as well.
        Err(_) => bar,
    }
}
