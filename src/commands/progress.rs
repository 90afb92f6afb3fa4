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

/// A bar over the parts of a whole; [`set_part`] moves it.
pub fn over_parts(what: impl Into<String>) -> ProgressBar {
    let bar = ProgressBar::new(PARTS).with_message(what.into());
    match ProgressStyle::with_template("{msg:<16} {wide_bar} {percent:>3} %") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Moves a bar of [`over_parts`]; `part` is between 0 and 1.
pub fn set_part(bar: &ProgressBar, part: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number from 0 to 1,000"
    )]
    bar.set_position((part.clamp(0.0, 1.0) * 1_000.0) as u64);
}

/// Parts of a bar that has no unit.
const PARTS: u64 = 1_000;
