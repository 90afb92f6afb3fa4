//! The cursor over a JSON text.

use super::text::{self, Text};
use super::track::LeadsTo;
use super::{DEPTH_MAX, Fault, FaultKind, Track, number, skip};

/// A value as it stands in the text. Lists and objects are checked but not yet taken apart.
///
/// All it carries are whole machine words: it is copied often, and copies of single bytes stall.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Raw<'a> {
    /// There is no such member.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// `true`.
    True,
    /// `false`.
    False,
    /// A finite number.
    Num(f64),
    /// A text.
    Text(Text<'a>),
    /// A list with its brackets.
    List(&'a str),
    /// An object with its braces.
    Object(&'a str),
}

/// Knows what the members of an object mean, and takes them.
pub trait Members<'a> {
    /// What a key means.
    type What: Copy;

    /// Finds out what a key means.
    fn name(&self, key: &str) -> Self::What;

    /// Takes a text without escapes, which has been passed.
    fn text(&mut self, what: Self::What, text: Between<'a>);

    /// Passes exactly one value.
    ///
    /// # Errors
    /// When it is not JSON.
    fn value(&mut self, what: Self::What, scanner: &mut Scanner<'a>) -> Result<(), Fault>;
}

/// A text without escapes that has been passed, and is cut out only if somebody asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    json: &'a str,
    from: usize,
    to: usize,
}

impl<'a> Between<'a> {
    /// What stands between the quotes.
    pub fn cut(self) -> &'a str {
        self.json.get(self.from..self.to).unwrap_or_default()
    }

    /// The same as a value.
    pub fn raw(self) -> Raw<'a> {
        Raw::Text(Text::Plain(self.cut()))
    }
}

/// A cursor that checks what it passes.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Scanner<'a> {
    /// Starts before the first byte.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// The byte it stands before, from 0.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Passes white space; whether anything follows.
    pub fn more(&mut self) -> bool {
        self.next_byte().is_some()
    }

    /// Checks that only white space follows.
    ///
    /// # Errors
    /// When something else does.
    pub fn finish(&mut self) -> Result<(), Fault> {
        if self.more() { Err(Fault { kind: FaultKind::Trailing, at: self.at }) } else { Ok(()) }
    }

    /// Whether the value that follows is an object.
    pub fn at_object(&mut self) -> bool {
        self.next_byte() == Some(b'{')
    }

    /// Whether the value that follows is a list.
    pub fn at_list(&mut self) -> bool {
        self.next_byte() == Some(b'[')
    }

    /// Passes an object. `member` gets each key, its escapes undone, and must pass exactly its value.
    ///
    /// # Errors
    /// When what follows is not an object, or whatever `member` gives.
    #[inline]
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        let mut at = self.open(b'{')?;
        if bytes.get(at) != Some(&b'}') {
            loop {
                if bytes.get(at) != Some(&b'"') {
                    return Err(skip::unexpected(bytes, at));
                }
                let stop = text::plain_until(bytes, at + 1);
                if bytes.get(stop) == Some(&b'"') {
                    self.at = skip::colon(bytes, stop + 1)?;
                    member(self, self.text.get(at + 1..stop).unwrap_or_default())?;
                } else {
                    self.escaped_member(at + 1, stop, &mut member)?;
                }
                at = skip::space(bytes, self.at);
                match bytes.get(at) {
                    Some(b',') => at = skip::space(bytes, at + 1),
                    Some(b'}') => break,
                    _ => return Err(skip::unexpected(bytes, at)),
                }
            }
        }
        self.at = at + 1;
        self.depth -= 1;
        Ok(())
    }

    /// Passes an object as [`Scanner::object`] does. `members` knows what keys mean; `track` remembers
    /// it for the next object of the kind.
    ///
    /// # Errors
    /// When what follows is not an object, or whatever `members` gives.
    #[inline]
    pub fn object_along<M: Members<'a>>(
        &mut self,
        track: &mut Track<M::What>,
        members: &mut M,
    ) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        let mut at = self.open(b'{')?;
        let mut index = 0;
        loop {
            if let Some(known) = track.find(index, bytes, at) {
                let (what, value) = (known.what, at + known.len);
                self.at = value;
                if known.leads_to == LeadsTo::Text {
                    let stop = text::plain_until(bytes, value);
                    if bytes.get(stop) == Some(&b'"') {
                        at = stop + 1;
                        index += 1;
                        members.text(what, Between { json: self.text, from: value, to: stop });
                        continue;
                    }
                    self.at = value - 1;
                }
                members.value(what, self)?;
            } else if bytes.get(at) == Some(&b'}') {
                self.at = at + 1;
                break;
            } else {
                match self.unforeseen_member(track, (index, at), members)? {
                    Some(what) => members.value(what, self)?,
                    None => break,
                }
            }
            at = self.at;
            index += 1;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Goes on behind a value or the opening bracket, where the track does not say what stands:
    /// passes what leads to the next value, or the closing bracket.
    #[inline(never)]
    fn unforeseen_member<M: Members<'a>>(
        &mut self,
        track: &mut Track<M::What>,
        (index, from): (usize, usize),
        members: &M,
    ) -> Result<Option<M::What>, Fault> {
        let bytes = self.text.as_bytes();
        let mut at = skip::space(bytes, from);
        match bytes.get(at) {
            Some(b'}') => {
                self.at = at + 1;
                return Ok(None);
            }
            Some(b',') if 0 < index => at = skip::space(bytes, at + 1),
            _ if 0 < index => return Err(skip::unexpected(bytes, at)),
            _ => {}
        }
        let (key, after) = self.text_at(at)?;
        self.at = skip::space(bytes, skip::colon(bytes, after)?);
        let what = members.name(&key.decode());
        let lead = bytes.get(from..self.at).unwrap_or_default();
        track.learn(index, lead, bytes.get(self.at).copied(), what);
        Ok(Some(what))
    }

    /// A member whose key, from `from` on, is not plain at `stop`.
    #[cold]
    fn escaped_member(
        &mut self,
        from: usize,
        stop: usize,
        member: &mut impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (key, after) = self.escaped_text(from, stop)?;
        self.at = skip::colon(self.text.as_bytes(), after)?;
        member(self, &key.decode())
    }

    /// Passes a list. `item` must pass exactly one value.
    ///
    /// # Errors
    /// When what follows is not a list, or whatever `item` gives.
    pub fn list(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        let mut at = self.open(b'[')?;
        if bytes.get(at) != Some(&b']') {
            loop {
                self.at = at;
                item(self)?;
                at = skip::space(bytes, self.at);
                match bytes.get(at) {
                    Some(b',') => at += 1,
                    Some(b']') => break,
                    _ => return Err(skip::unexpected(bytes, at)),
                }
            }
        }
        self.at = at + 1;
        self.depth -= 1;
        Ok(())
    }

    /// Passes one value of any kind and gives it.
    ///
    /// # Errors
    /// When it is not JSON.
    #[inline]
    pub fn value(&mut self) -> Result<Raw<'a>, Fault> {
        let bytes = self.text.as_bytes();
        let at = skip::space(bytes, self.at);
        let (raw, after) = match bytes.get(at) {
            Some(b'"') => {
                let (text, after) = self.text_at(at)?;
                (Raw::Text(text), after)
            }
            Some(bracket @ (b'{' | b'[')) => {
                let after = skip::value(self.text, at, self.depth)?;
                let json = self.text.get(at..after).unwrap_or_default();
                (if *bracket == b'{' { Raw::Object(json) } else { Raw::List(json) }, after)
            }
            Some(b't') => (Raw::True, skip::word(bytes, at, "true")?),
            Some(b'f') => (Raw::False, skip::word(bytes, at, "false")?),
            Some(b'n') => (Raw::Null, skip::word(bytes, at, "null")?),
            Some(b'-' | b'0'..=b'9') => {
                let (number, after) = number::scan(self.text, at)?;
                (Raw::Num(number), after)
            }
            _ => return Err(skip::unexpected(bytes, at)),
        };
        self.at = after;
        Ok(raw)
    }

    /// Passes one value of any kind.
    ///
    /// # Errors
    /// When it is not JSON.
    #[inline]
    pub fn skip(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        let at = skip::space(bytes, self.at);
        self.at = match bytes.get(at) {
            // Most values are no containers.
            Some(b'"') => text::end(bytes, at)?,
            Some(b'-' | b'0'..=b'9') => number::pass(self.text, at)?,
            Some(b't') => skip::word(bytes, at, "true")?,
            Some(b'f') => skip::word(bytes, at, "false")?,
            _ => skip::value(self.text, at, self.depth)?,
        };
        Ok(())
    }

    /// The text between an earlier position and this one.
    pub fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn next_byte(&mut self) -> Option<u8> {
        self.at = skip::space(self.text.as_bytes(), self.at);
        self.text.as_bytes().get(self.at).copied()
    }

    /// The text whose opening quote should stand at `at`, and the place after it.
    #[inline(always)]
    fn text_at(&self, at: usize) -> Result<(Text<'a>, usize), Fault> {
        let bytes = self.text.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            return Err(skip::unexpected(bytes, at));
        }
        let from = at + 1;
        let stop = text::plain_until(bytes, from);
        if bytes.get(stop) == Some(&b'"') {
            return Ok((Text::Plain(self.text.get(from..stop).unwrap_or_default()), stop + 1));
        }
        self.escaped_text(from, stop)
    }

    #[cold]
    fn escaped_text(&self, from: usize, stop: usize) -> Result<(Text<'a>, usize), Fault> {
        let after = text::end_of_escaped(self.text.as_bytes(), stop)?;
        Ok((Text::Escaped(self.text.get(from..after - 1).unwrap_or_default()), after))
    }

    /// Passes an opening bracket: the place of what comes inside.
    fn open(&mut self, bracket: u8) -> Result<usize, Fault> {
        let bytes = self.text.as_bytes();
        let at = skip::space(bytes, self.at);
        if bytes.get(at) != Some(&bracket) {
            return Err(skip::unexpected(bytes, at));
        }
        if DEPTH_MAX <= self.depth {
            return Err(Fault { kind: FaultKind::TooDeep, at });
        }
        self.depth += 1;
        Ok(skip::space(bytes, at + 1))
    }
}
