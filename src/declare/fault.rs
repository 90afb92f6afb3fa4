//! Faults found in files: what is wrong, where to the byte, and what to do about it.

use std::sync::Arc;

use crate::engine::condition::Place;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable code, searchable. `E001` not YAML; `E002` a word that does not belong there; `E003`
    /// something missing; `E004` another shape wanted; `E005` not a value of its kind; `E006` not
    /// one of the choices; `E007` words that do not go together; `E010` a condition that cannot be
    /// read; `E011` an unknown name in it; `E012` kinds that do not fit; `E013` a function used
    /// wrongly; `E014` a window; `E015` too complex; `E020` a text that cannot be rendered; `E021`
    /// an unknown name in it; `E022` its file; `E023` mail that nobody can
    /// unsubscribe from; `E030` unknown channel; `E031` purpose; `E032` model; `E033` trigger or
    /// tag; `E040` a name given twice; `E050` shares of an experiment; `E060` a test; `E070` a
    /// bound; `E071` a short message of too many parts; `E090` nothing to fall back to; `E091` it
    /// falls back after it has expired; `E100` a name that means something in the trait
    /// `consent`; `E101` MJML that cannot be read; `E102` an include in it; `E103` HTML written twice; `E104`
    /// its bounds; `W001` can never be sent; `W002` no text in the policy's
    /// language; `W003` a name in a text that some arm or case leaves out; `W004` one that not
    /// everybody has; `W005` a fan-out longer than its messages are of use; `W006` a model
    /// that may not speak; `W007` a challenger that is not watched; `W082` more than browsers take; `W083` MJML without a text beside it.
    pub code: &'static str,
    /// Whether it keeps the set from being loaded.
    pub severity: Severity,
    /// What is wrong, lower case, no full stop, the file's own words in backticks.
    pub message: String,
    /// File, line and column, for people.
    pub place: Place,
    /// The bytes meant, for the caret.
    pub extent: Extent,
    /// What to do.
    pub help: Option<String>,
}

/// Whether a fault keeps the set from being loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// A stretch of bytes in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// First byte.
    pub start: u32,
    /// First byte after it.
    pub end: u32,
}

/// A value and the bytes it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub extent: Extent,
}

impl<T> Located<T> {
    /// Puts a value and its bytes together.
    pub const fn new(value: T, extent: Extent) -> Self {
        Self { value, extent }
    }

    /// Another value at the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), extent: self.extent }
    }
}

/// A file as far as places are concerned.
#[derive(Clone, Debug)]
pub struct Text {
    /// Path as given to the loader.
    pub path: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    // Byte offset at which each line begins.
    lines: Vec<u32>,
}

impl Text {
    /// Notes where the lines begin.
    pub fn new(path: Arc<str>, text: Arc<str>) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(breaks.filter_map(|(index, _)| u32::try_from(index + 1).ok()))
            .collect();
        Self { path, text, lines }
    }

    /// Line and column of a byte.
    pub fn place(&self, byte: u32) -> Place {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start as usize..byte as usize).unwrap_or("");
        Place {
            file: self.path.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
        }
    }

    /// The bytes of one character, by line and column from 0.
    pub fn extent_at(&self, line: usize, column: usize) -> Extent {
        let start = self.lines.get(line).copied().unwrap_or(0);
        let rest = self.text.get(start as usize..).unwrap_or("");
        let (offset, width) = rest
            .char_indices()
            .nth(column)
            .map_or((rest.len(), 0), |(offset, letter)| (offset, letter.len_utf8()));
        let start = start.saturating_add(u32::try_from(offset).unwrap_or(0));
        Extent { start, end: start.saturating_add(u32::try_from(width).unwrap_or(0)) }
    }

    /// The bytes of an extent.
    pub fn slice(&self, extent: Extent) -> &str {
        self.text.get(extent.start as usize..extent.end as usize).unwrap_or("")
    }
}
