//! Texts inside JSON: found sixteen bytes at a time, decoded only where they hold escapes.

use std::borrow::Cow;

use wide::u8x16;

use super::{Fault, FaultKind};

/// A text between its quotes, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// Without escapes: what is written is what is meant.
    Plain(&'a str),
    /// With escapes, each of them valid.
    Escaped(&'a str),
}

impl<'a> Text<'a> {
    /// What is meant: borrowed unless there are escapes.
    pub fn decode(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Escaped(text) => Cow::Owned(unescape(text)),
        }
    }

    /// Whether nothing stands between the quotes.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Bytes between the quotes.
    pub const fn len(self) -> usize {
        match self {
            Self::Plain(text) | Self::Escaped(text) => text.len(),
        }
    }
}

/// Passes a text whose opening quote stands at `at`: the place after its closing quote.
#[inline(always)]
pub(super) fn end(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let stop = plain_until(bytes, at + 1);
    if bytes.get(stop) == Some(&b'"') { Ok(stop + 1) } else { end_of_escaped(bytes, stop) }
}

/// Goes on with a text at its first byte that is not plain.
#[cold]
pub(super) fn end_of_escaped(bytes: &[u8], stop: usize) -> Result<usize, Fault> {
    let mut at = stop;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(bytes, at)?.1,
            Some(_) => return Err(Fault { kind: FaultKind::ControlCharacter, at }),
            None => return Err(Fault { kind: FaultKind::Unfinished, at }),
        }
        at = plain_until(bytes, at);
    }
}

/// The escape whose backslash stands at `at`: the character and the place after it.
fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let bad = Fault { kind: FaultKind::BadEscape, at };
    let plain = match bytes.get(at + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let first = hex(bytes, at + 2).ok_or(bad)?;
            if !(0xD800..0xDC00).contains(&first) {
                return char::from_u32(first).map(|c| (c, at + 6)).ok_or(bad);
            }
            if bytes.get(at + 6..at + 8) != Some(b"\\u") {
                return Err(bad);
            }
            let second = hex(bytes, at + 8).ok_or(bad)?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(bad);
            }
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return char::from_u32(code).map(|c| (c, at + 12)).ok_or(bad);
        }
        Some(_) => return Err(bad),
        None => return Err(Fault { kind: FaultKind::Unfinished, at: bytes.len() }),
    };
    Ok((plain, at + 2))
}

fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(code * 16 + digit)
    })
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let stop = plain_until(bytes, at);
        out.push_str(text.get(at..stop).unwrap_or_default());
        // `scan` has checked every escape, so this ends only at the end of the text.
        let Ok((decoded, after)) = escape(bytes, stop) else { break };
        out.push(decoded);
        at = after;
    }
    out
}

/// Bytes looked at together: most texts end among the first of them.
const TOGETHER: usize = 16;

/// The first place from `from` on that holds a quote, a backslash or a control character.
#[inline(always)]
pub(super) fn plain_until(bytes: &[u8], from: usize) -> usize {
    let (chunks, _) = bytes.get(from..).unwrap_or_default().as_chunks::<TOGETHER>();
    let mut at = from;
    for chunk in chunks {
        let stops = stops(chunk);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize;
        }
        at += TOGETHER;
    }
    plain_until_end(bytes, at)
}

/// The same where less than [`TOGETHER`] bytes are left: the last of all stand for them, whatever
/// of those was looked at before.
#[inline(never)]
fn plain_until_end(bytes: &[u8], from: usize) -> usize {
    let tail = bytes.get(from..).unwrap_or_default();
    match bytes.last_chunk() {
        Some(last) => {
            let passed = TOGETHER.saturating_sub(tail.len());
            let stops = stops(last) >> passed;
            from + std::cmp::min(stops.trailing_zeros() as usize, tail.len())
        }
        None => {
            let stop = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
            from + stop.unwrap_or(tail.len())
        }
    }
}

/// A bit for each byte that stops a plain run.
#[inline(always)]
fn stops(chunk: &[u8; TOGETHER]) -> u32 {
    let bytes = u8x16::new(*chunk);
    let quotes = bytes.simd_eq(u8x16::splat(b'"'));
    let backslashes = bytes.simd_eq(u8x16::splat(b'\\'));
    let controls = bytes.simd_eq(bytes.min(u8x16::splat(0x1F)));
    (quotes | backslashes | controls).to_bitmask()
}
