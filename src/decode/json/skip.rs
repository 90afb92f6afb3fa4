//! Passes values that nobody asks for: checked like all others, in one loop without recursion.

use super::{DEPTH_MAX, Fault, FaultKind, number, text};

/// Passes one value, `depth` containers being open around it: the place after it.
pub(super) fn value(json: &str, from: usize, depth: u32) -> Result<usize, Fault> {
    let bytes = json.as_bytes();
    let mut at = from;
    let mut open = Open { depth, outer: depth, objects: 0 };
    let mut next = Next::Value;
    loop {
        at = space(bytes, at);
        if next == Next::Member {
            at = space(bytes, key(bytes, at)?);
        }
        at = match bytes.get(at) {
            Some(b'"') => text::end(bytes, at)?,
            Some(b'-' | b'0'..=b'9') => number::pass(json, at)?,
            Some(b't') => word(bytes, at, "true")?,
            Some(b'f') => word(bytes, at, "false")?,
            Some(b'n') => word(bytes, at, "null")?,
            Some(bracket @ (b'{' | b'[')) => {
                next = if *bracket == b'{' { Next::Member } else { Next::Value };
                at = space(bytes, at + 1);
                open.push(next, at)?;
                // Both brackets close with the character two after them.
                if bytes.get(at) != Some(&(bracket + 2)) {
                    continue;
                }
                open.pop();
                at + 1
            }
            _ => return Err(unexpected(bytes, at)),
        };
        // A value has ended, and with it perhaps what it stands in.
        loop {
            if open.depth == open.outer {
                return Ok(at);
            }
            at = space(bytes, at);
            next = open.innermost();
            match (bytes.get(at), next) {
                (Some(b','), _) => break,
                (Some(b'}'), Next::Member) | (Some(b']'), Next::Value) => open.pop(),
                _ => return Err(unexpected(bytes, at)),
            }
            at += 1;
        }
        at += 1;
    }
}

/// What stands between the commas of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    Member,
}

/// The containers that are open.
struct Open {
    depth: u32,
    outer: u32,
    /// A bit for each, the innermost lowest: whether it is an object. [`DEPTH_MAX`] bits are enough.
    objects: u64,
}

impl Open {
    #[inline]
    fn push(&mut self, next: Next, at: usize) -> Result<(), Fault> {
        if DEPTH_MAX <= self.depth {
            return Err(Fault { kind: FaultKind::TooDeep, at });
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(next == Next::Member);
        Ok(())
    }

    #[inline]
    const fn innermost(&self) -> Next {
        if self.objects & 1 == 1 { Next::Member } else { Next::Value }
    }

    #[inline]
    const fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }
}

/// Passes a key and its colon.
#[inline(always)]
fn key(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    if bytes.get(at) != Some(&b'"') {
        return Err(unexpected(bytes, at));
    }
    let after = text::end(bytes, at)?;
    colon(bytes, after)
}

/// Passes the colon after a key.
#[inline(always)]
pub(super) fn colon(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let at = space(bytes, at);
    if bytes.get(at) == Some(&b':') { Ok(at + 1) } else { Err(unexpected(bytes, at)) }
}

/// Passes white space. Mostly there is none.
#[inline(always)]
pub(super) fn space(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(byte) if b' ' < *byte => at,
        _ => all_space(bytes, at),
    }
}

#[inline(never)]
fn all_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Passes a word.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize, word: &str) -> Result<usize, Fault> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(word.as_bytes()) { Ok(at + word.len()) } else { Err(unexpected(bytes, at)) }
}

/// Why what stands there is wrong.
#[cold]
pub(super) fn unexpected(bytes: &[u8], at: usize) -> Fault {
    let kind = if at < bytes.len() { FaultKind::Unexpected } else { FaultKind::Unfinished };
    Fault { kind, at }
}
