//! A one-pass JSON scanner: checks the whole grammar, allocates nothing, yields members as slices.
//!
//! It accepts and refuses what `serde_json::Value` does, with the same value at the end, but for
//! these: nesting ends at [`DEPTH_MAX`] (there 128), numbers are read to the nearest `f64` (there
//! within one unit in the last place, or kept as 64-bit integers), and -0 is 0.
//! Of members with one key the last wins, as there.

mod build;
mod number;
mod scan;
mod skip;
mod text;
mod track;

pub use scan::{Between, Members, Raw, Scanner};
pub use text::Text;
pub use track::Track;

/// Deepest nesting taken. Real events nest four deep; the bound keeps recursion shallow.
pub const DEPTH_MAX: u32 = 64;

/// What is wrong with a text that should be JSON, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The byte at which it was seen, from 0.
    pub at: usize,
}

/// The ways in which a text is not JSON that we take. A whole word wide, as [`Raw`] explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum FaultKind {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// It begins with a byte order mark.
    ByteOrderMark,
    /// It ends in the middle.
    Unfinished,
    /// A character that cannot stand there.
    Unexpected,
    /// A control character inside a text.
    ControlCharacter,
    /// An escape that does not exist, or half of a surrogate pair.
    BadEscape,
    /// A number that JSON does not know.
    BadNumber,
    /// A number too large for a 64-bit float.
    NotFinite,
    /// Nesting beyond [`DEPTH_MAX`].
    TooDeep,
    /// Something follows where the text should end.
    Trailing,
}

impl FaultKind {
    /// What is wrong, as the end of a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotUtf8 => "the bytes are not UTF-8",
            Self::ByteOrderMark => "it begins with a byte order mark: save it without",
            Self::Unfinished => "it ends in the middle",
            Self::Unexpected => "this character cannot stand here",
            Self::ControlCharacter => "a control character inside a text must be escaped",
            Self::BadEscape => "this escape does not exist or is half of a surrogate pair",
            Self::BadNumber => "this is not a number that JSON knows",
            Self::NotFinite => "this number is too large for a 64-bit float",
            Self::TooDeep => "it nests deeper than 64 levels",
            Self::Trailing => "something follows after the end of the value",
        }
    }
}

/// The bytes as text.
///
/// # Errors
/// When they are not UTF-8 or begin with a byte order mark.
pub fn text(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(Fault { kind: FaultKind::ByteOrderMark, at: 0 });
    }
    simdutf8::basic::from_utf8(bytes).map_err(|_| Fault {
        kind: FaultKind::NotUtf8,
        at: std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len),
    })
}

#[cfg(test)]
mod tests;
