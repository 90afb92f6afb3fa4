//! Calendars: cron expressions on the local wall clock, resolved to instants by our own rules.

use super::time::{Timestamp, Zone};

/// A cron expression. The `cron` crate is used as a calendar on naive local time only, because it
/// skips and doubles occurrences around changes of daylight saving.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: Box<str>,
}

impl Schedule {
    /// Reads five fields (`minute hour day month weekday`) or six (seconds first). Weekdays by
    /// name only, because digits mean different days to different programs.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first occurrence after an instant: its instant, and its local time as text, which is
    /// the occurrence's name. In a gap it is the end of the gap; in an overlap a fixed time
    /// occurs once, an interval (`*/30`) on both passes.
    pub fn next_after(&self, _after: Timestamp, _zone: &Zone) -> Option<(Timestamp, Box<str>)> {
        unimplemented!()
    }
}
